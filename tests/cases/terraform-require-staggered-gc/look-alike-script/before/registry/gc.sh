#!/bin/sh
for name in quay k8s; do
  docker exec registry-$name registry garbage-collect /etc/docker/registry/config.yml
done

#!/bin/sh
for name in quay team; do
  mkdir -p "/opt/registry/data/$name"
done

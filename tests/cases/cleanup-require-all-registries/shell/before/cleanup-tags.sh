#!/bin/sh
for dir in repositories/*/tags; do ls -t | tail -n +10 | xargs rm -r; done

version: 0.1
log:
  fields:
    service: registry-${name}

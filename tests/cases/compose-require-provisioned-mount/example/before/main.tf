module "template" {
  provision_cmds = [
    "mkdir -p /opt/registry/data/a /opt/registry/certs",
    format("echo %s | base64 -d > /opt/registry/compose.yml", base64encode(file("compose.yml"))),
    format("echo %s | base64 -d > /opt/registry/config-a.yml", base64encode(file("config-a.yml"))),
    format("echo %s | base64 -d > /opt/registry/nginx.conf", base64encode(file("nginx.conf"))),
  ]
}

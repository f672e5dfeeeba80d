"""Repositories whose provision lists are not shaped like the example's, and their manifests."""

from __future__ import annotations

from pathlib import Path

from codemods.cli.options import CommonOptions
from codemods.cli.session import open_session
from codemods.provisioning.variables import Values
from codemods.rollout.manifest import Manifest, read_manifest

SECRET = "pa$$ 'w%rd"
BINARY = bytes(range(256)) * 3
COMPOSE = """\
services:
    hub:
        image: distribution/distribution:2.8.3
        volumes:
            - ./etc/registry.yml:/etc/docker/registry/config.yml:ro
            - type: bind
              source: /srv/hub/data
              target: /var/lib/registry
    front:
        image: nginx:1.27
        volumes: [./etc/:/etc/nginx/:ro, "./logo.bin:/logo.bin"]
        ports: ["5000:5000"]
"""
TEMPLATE = """\
version: 0.1
log: {fields: {service: "${service}-$${HOSTNAME}"}}
storage:
    filesystem: {rootdirectory: /var/lib/registry, maxthreads: ${threads}}
    delete: {enabled: ${ deletes }}
http: {addr: ":5000", secret: "${secret}"}
"""
RENDERED = """\
version: 0.1
log: {fields: {service: "edge/hub-${HOSTNAME}"}}
storage:
    filesystem: {rootdirectory: /var/lib/registry, maxthreads: 20}
    delete: {enabled: true}
http: {addr: ":5000", secret: "pa$$ 'w%rd"}
"""
NGINX = "events {}\r\nhttp { server { listen 5000; location / { proxy_pass http://hub:5000; } } }"
TERRAFORM = """\
locals {
    service = "${var.site}/hub"
    boot = concat(
        ["apt-get install -y docker.io", "install -d /srv/hub/etc /srv/hub/data"],
        [
            "echo ${base64encode(file("files/compose.yaml"))} | base64 -d > /srv/hub/compose.yaml",
            # "echo ${base64encode(file("files/old"))} | base64 -d > /srv/hub/old",
            "printf '%s' '${filebase64("./files/logo.bin")}' | base64 --decode | tee /srv/hub/logo.bin > /dev/null",
            <<-SH
                umask 022
                echo x > /dev/null
                mkdir -p "/srv/hub/data/tmp" && true
            SH
            ,
            format(
                "echo %s | base64 -d >%s; chmod u=rw,g=r,o= '/srv/hub/etc/registry.yml' && chown daemon:%s %s",
                base64encode(templatefile("files/registry.yml.tpl", {
                    service = local.service
                    "threads" = 20.0, deletes : true
                    secret = var.hub_secret
                })), "/srv/hub/etc/registry.yml", "daemon", "/srv/hub/etc/registry.yml"
            ),
            "echo ${base64encode(file("files/nginx.conf"))} | base64 -d > /srv/hub/etc/nginx.conf",
            "(crontab -u daemon -l 2>/dev/null; echo \\"15 4 * * 1 date +\\\\%F >> /tmp/x\\") | crontab -u daemon -",
            "echo '@daily true' | crontab -",
            "crontab -l | { cat; echo '0 1 * * * one'; printf '%s\\\\n' '0 2 * * * two' '@daily true'; } | crontab -",
            "(crontab -l 2>/dev/null | grep -v one; echo '0 3 * * * one again') | crontab -",
        ],
    )
}
"""
VARIABLES = """\
variable "site" { type = string }
variable "hub_secret" {
    sensitive = true
    type      = string
}
"""
SETTINGS = """\
version = 1
[paths]
terraform = "edge/mirror.tf"
provision_list = "locals.boot"
nginx = "edge/files/nginx.conf"
[vm]
directory = "/srv/hub"
"""


def other_repository() -> dict[str, str]:
    """Its text files; `edge/files/logo.bin` is BINARY."""
    return {
        "codemod.toml": SETTINGS,
        "edge/mirror.tf": TERRAFORM,
        "edge/variables.tf": VARIABLES,
        "edge/terraform.tfvars": 'site = "edge"\n',
        "edge/files/compose.yaml": COMPOSE,
        "edge/files/registry.yml.tpl": TEMPLATE,
        "edge/files/nginx.conf": NGINX,
    }


def manifest(root: Path, *given: str, secrets: Path | None = None, **environment: str) -> Manifest:
    """The manifest of a repository, as `codemod sync-vm` reads it."""
    session = open_session(CommonOptions(root))
    return read_manifest(session.context, session.repository, Values.from_options(given, secrets, environment))


def small_repository(*elements: str, before: str = "", **files: str) -> dict[str, str]:
    """A stack with a list of these elements, behind those that deploy its compose file; `files` by `path__suffix`."""
    compose = 'services:\n  r:\n    image: registry:2\n    volumes: ["/opt/registry/data:/var/lib/registry"]\n'
    first = '"mkdir -p /opt/registry/data",\n"echo ${base64encode(file("c.yml"))} | base64 -d > /opt/registry/c.yml"'
    listed = ",\n".join((first, *elements))
    terraform = f'{before}\nmodule "m" {{\n  cmds = [\n{listed}\n  ]\n}}\n'
    return {"main.tf": terraform, "c.yml": compose, **{name.replace("__", "."): text for name, text in files.items()}}

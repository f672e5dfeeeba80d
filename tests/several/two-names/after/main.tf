module "template" {
  source = "./modules/template"

  provision_cmds = [
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/private /opt/registry/data/team",
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/registry/docker-compose.yml"))
    ),
    # Write nginx.conf
    format("echo %s | base64 -d > /opt/registry/nginx.conf",
      base64encode(file("${path.root}/registry/nginx.conf"))
    ),
    # Write config-ghcr.yml
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(file("${path.root}/registry/config-ghcr.yml"))
    ),
    # Write config-quay.yml
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(file("${path.root}/registry/config-quay.yml"))
    ),
    # Write private R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/registry/config-private.yml"))
    ),
    # Write the users of the private registry
    format("echo %s | base64 -d > /opt/registry/private.htpasswd && chmod 600 /opt/registry/private.htpasswd",
      base64encode(var.registry_private_htpasswd)
    ),
    # Write the private registry's certificate
    format("echo %s | base64 -d > /opt/registry/private.crt",
      base64encode(file("${path.root}/tls/private.pem"))
    ),
    # Write the certificate's key
    format("echo %s | base64 -d > /opt/registry/private.key && chmod 600 /opt/registry/private.key",
      base64encode(file("${path.root}/tls/private.key"))
    ),
    # Write team R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-team.yml",
      base64encode(file("${path.root}/registry/config-team.yml"))
    ),
    # Write the users of the team registry
    format("echo %s | base64 -d > /opt/registry/team.htpasswd && chmod 600 /opt/registry/team.htpasswd",
      base64encode(var.registry_team_htpasswd)
    ),
    # Write the team registry's certificate
    format("echo %s | base64 -d > /opt/registry/team.crt",
      base64encode(file("${path.root}/tls/team.pem"))
    ),
    # Write the certificate's key
    format("echo %s | base64 -d > /opt/registry/team.key && chmod 600 /opt/registry/team.key",
      base64encode(file("${path.root}/tls/team.key"))
    ),
    # Write cleanup-tags.sh
    format("echo %s | base64 -d > /opt/registry/cleanup-tags.sh && chmod +x /opt/registry/cleanup-tags.sh",
      base64encode(file("${path.root}/registry/cleanup-tags.sh"))
    ),
    # Write the registry garbage collector
    format("echo %s | base64 -d > /opt/registry/collect-garbage.py && chmod +x /opt/registry/collect-garbage.py",
      base64encode(file("${path.root}/registry/collect-garbage.py"))
    ),
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 /usr/bin/docker stop registry-quay && { /usr/bin/docker run --rm --volumes-from registry-quay registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-quay; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private --nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '15 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-team --data /opt/registry/data/team --nginx registry-nginx --cache-tag layers --max-size 100GiB >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 /opt/registry/data' ) | crontab -",
  ]
}

module "vm" {
  source = "./modules/vm"

  ipconfig0    = "ip=10.0.20.10/24,gw=10.0.20.1"
  vm_disk_size = "300G"

  # 5010 -> nginx -> registry-ghcr (ghcr.io proxy)
  # 5020 -> nginx -> registry-quay (quay.io proxy)
  # 5050 -> nginx -> registry-private (R/W registry for CI build cache)
  # 5060 -> nginx -> registry-team (R/W registry for CI build cache)
}

variable "registry_private_htpasswd" {
  type      = string
  sensitive = true
}

variable "registry_team_htpasswd" {
  type      = string
  sensitive = true
}

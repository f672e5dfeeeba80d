module "template" {
  source = "./modules/template"

  provision_cmds = [
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/east",
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/docker-compose.yml"))
    ),
    # Write nginx.conf
    format("echo %s | base64 -d > /opt/registry/nginx.conf",
      base64encode(file("${path.root}/nginx.conf"))
    ),
    # Write config-ghcr.yml
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(file("${path.root}/config-ghcr.yml"))
    ),
    # Write config-quay.yml
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(file("${path.root}/config-quay.yml"))
    ),
    # Write east R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-east.yml",
      base64encode(file("${path.root}/config-east.yml"))
    ),
    # Write cleanup-tags.sh
    format("echo %s | base64 -d > /opt/registry/cleanup-tags.sh && chmod +x /opt/registry/cleanup-tags.sh",
      base64encode(file("${path.root}/cleanup-tags.sh"))
    ),
    # Write the registry garbage collector
    format("echo %s | base64 -d > /opt/registry/collect-garbage.py && chmod +x /opt/registry/collect-garbage.py",
      base64encode(file("${path.root}/collect-garbage.py"))
    ),
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 /usr/bin/docker stop registry-quay && { /usr/bin/docker run --rm --volumes-from registry-quay registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-quay; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-east --data /opt/registry/data/east --nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 /opt/registry/data' ) | crontab -",
  ]
}

module "vm" {
  source = "./modules/vm"

  ipconfig0    = "ip=10.0.20.10/24,gw=10.0.20.1"
  vm_disk_size = "300G"

  # 5010 -> nginx -> registry-ghcr (ghcr.io proxy)
  # 5020 -> nginx -> registry-quay (quay.io proxy)
  # 5050 -> nginx -> registry-east (R/W registry for CI build cache)
}

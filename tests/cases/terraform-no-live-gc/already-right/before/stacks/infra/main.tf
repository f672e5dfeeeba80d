module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 docker stop registry-quay; docker run --rm --volumes-from registry-quay registry:2 garbage-collect -m /c.yml || true; docker start registry-quay' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 4 * * 0 cd /opt/registry && docker compose stop registry-ghcr && { docker compose run --rm registry-ghcr garbage-collect /etc/docker/registry/config.yml; docker compose up -d registry-ghcr; }' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '20 4 * * 0 sudo sh -c \"docker stop -t 30 registry-quay && docker run --rm -v /opt/registry/data/quay:/var/lib/registry registry:2 garbage-collect /c.yml | tee /var/log/gc.log && docker start registry-quay\"' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '30 4 * * 0 systemctl stop docker-registry; docker run --rm -v /opt/registry/data/quay:/var/lib/registry registry:2 garbage-collect /c.yml; systemctl start docker-registry' ) | crontab -",
  ]
}

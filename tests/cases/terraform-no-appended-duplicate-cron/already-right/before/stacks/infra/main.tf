module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/cleanup.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
  ]
}

module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/cleanup.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/cleanup.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/cleanup.log 2>&1' ) | crontab -",
  ]
}

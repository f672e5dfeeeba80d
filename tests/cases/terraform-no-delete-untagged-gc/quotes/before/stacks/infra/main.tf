module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write the configuration of team
    format("echo %s | base64 -d > /opt/registry/config-team.yml",
      base64encode(file("${path.root}/../../registry/config-team.yml"))
    ),
    "( crontab -l; echo \"0 3 * * 0 docker run --rm -v /opt/registry/data/team:/var/lib/registry registry:2 garbage-collect -m=true -q /c.yml\" ) | crontab -",
    "( crontab -l; echo \"30 3 * * 0 sh -c 'docker stop registry-team; docker run --volumes-from registry-team registry:2 garbage-collect -qm /c.yml; docker start registry-team'\" ) | crontab -",
  ]
}

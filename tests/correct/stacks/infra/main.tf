variable "proxmox_host" { type = string }
variable "ssh_private_key" {
  type      = string
  sensitive = true
}
variable "ssh_public_key" { type = string }
variable "k8s_join_command" { type = string }
variable "registry_htpasswd" {
  type      = string
  sensitive = true
}

variable "dockerhub_password" {
  type      = string
  sensitive = true
}

locals {
  cloud_init_image = "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img"

  k8s_vm_template      = "ubuntu-k8s-template"
  k8s_snippet          = "k8s_cloud_init.yaml"
  registry_vm_template = "docker-registry-template"
  registry_snippet     = "docker_registry_cloud_init.yaml"

  registry_mirrors = {
    "docker.io"       = "http://10.0.20.10:5000"
    "ghcr.io"         = "http://10.0.20.10:5010"
    "quay.io"         = "http://10.0.20.10:5020"
    "registry.k8s.io" = "http://10.0.20.10:5030"
    "reg.kyverno.io"  = "http://10.0.20.10:5040"
  }
}

# --- Kubernetes nodes ---

module "k8s-node-template" {
  source           = "../../modules/create-template-vm"
  proxmox_host     = var.proxmox_host
  ssh_private_key  = var.ssh_private_key
  ssh_public_key   = var.ssh_public_key
  cloud_image_url  = local.cloud_init_image
  template_id      = 2000
  template_name    = local.k8s_vm_template
  snippet_name     = local.k8s_snippet
  packages         = ["containerd", "nfs-common", "jq"]
  k8s_join_command = var.k8s_join_command

  # containerd reads one directory per registry; the mirror answers on plain http.
  containerd_script = <<-EOF
    set -eu
    mkdir -p /etc/containerd/certs.d
    %{for registry, mirror in local.registry_mirrors~}
    mkdir -p "/etc/containerd/certs.d/${registry}"
    printf '[host."%s"]\n  capabilities = ["pull", "resolve"]\n' "${mirror}" \
      > "/etc/containerd/certs.d/${registry}/hosts.toml"
    %{endfor~}

    containerd config default > /etc/containerd/config.toml
    sed -i 's|config_path = ""|config_path = "/etc/containerd/certs.d"|' /etc/containerd/config.toml
    sed -i 's|SystemdCgroup = false|SystemdCgroup = true|' /etc/containerd/config.toml
    systemctl restart containerd
  EOF

  tuning_script = <<-EOF
    # A node with many pods runs out of inotify instances first.
    cat > /etc/sysctl.d/90-k8s.conf <<'SYSCTL'
    net.ipv4.ip_forward = 1
    fs.inotify.max_user_instances = 8192
    SYSCTL
    sysctl --system
    echo "tuned $${HOSTNAME:-node}"
  EOF
}

module "k8s-node1" {
  source         = "../../modules/create-vm"
  vmid           = 201
  vm_name        = "k8s-node1"
  vm_cpus        = 8
  vm_mem_mb      = 16384
  vm_disk_size   = "128G"
  template_name  = local.k8s_vm_template
  snippet_name   = local.k8s_snippet
  vm_mac_address = "DE:AD:BE:EF:20:01" # fixed lease: 10.0.20.101
  bridge         = "vmbr1"
  vlan_tag       = "20"
}

module "k8s-node2" {
  source         = "../../modules/create-vm"
  vmid           = 202
  vm_name        = "k8s-node2"
  vm_cpus        = 8
  vm_mem_mb      = 16384
  vm_disk_size   = "128G"
  template_name  = local.k8s_vm_template
  snippet_name   = local.k8s_snippet
  vm_mac_address = "DE:AD:BE:EF:20:02" # fixed lease: 10.0.20.102
  bridge         = "vmbr1"
  vlan_tag       = "20"
}

# --- Registry VM: pull-through mirrors for the cluster ---

module "docker-registry-template" {
  source          = "../../modules/create-template-vm"
  proxmox_host    = var.proxmox_host
  ssh_private_key = var.ssh_private_key
  ssh_public_key  = var.ssh_public_key
  cloud_image_url = local.cloud_init_image
  template_id     = 2001
  template_name   = local.registry_vm_template
  snippet_name    = local.registry_snippet
  packages        = ["ca-certificates", "cron", "curl", "python3"]

  provision_cmds = [
    # Install Docker
    "apt-get update",
    "apt-get install -y docker.io docker-compose-v2",
    "systemctl enable --now docker",
    # Create data directories
    "mkdir -p /opt/registry/data/dockerhub /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/k8s /opt/registry/data/kyverno /opt/registry/data/private",
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../modules/docker-registry/docker-compose.yml"))
    ),
    # Write nginx.conf
    format("echo %s | base64 -d > /opt/registry/nginx.conf",
      base64encode(file("${path.root}/../../modules/docker-registry/nginx_registry.conf"))
    ),
    # Write Docker Hub proxy config (with credentials: anonymous pulls are rate limited)
    format("echo %s | base64 -d > /opt/registry/config-dockerhub.yml",
      base64encode(templatefile("../../modules/docker-registry/config.yaml", { password = var.dockerhub_password }))
    ),
    # Write GHCR proxy config
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../modules/docker-registry/config-proxy.yaml.tpl", { name = "ghcr", remote_url = "https://ghcr.io" }))
    ),
    # Write Quay proxy config
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../modules/docker-registry/config-proxy.yaml.tpl", { name = "quay", remote_url = "https://quay.io" }))
    ),
    # Write Kubernetes proxy config
    format("echo %s | base64 -d > /opt/registry/config-k8s.yml",
      base64encode(templatefile("../../modules/docker-registry/config-proxy.yaml.tpl", { name = "k8s", remote_url = "https://registry.k8s.io" }))
    ),
    # Write Kyverno proxy config
    format("echo %s | base64 -d > /opt/registry/config-kyverno.yml",
      base64encode(templatefile("../../modules/docker-registry/config-proxy.yaml.tpl", { name = "kyverno", remote_url = "https://reg.kyverno.io" }))
    ),
    # Write private R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/../../modules/docker-registry/config-private.yml"))
    ),
    # Write the private registry's users
    format("echo %s | base64 -d > /opt/registry/htpasswd && chmod 600 /opt/registry/htpasswd",
      base64encode(var.registry_htpasswd)
    ),
    # Write the tag cleanup script
    format("echo %s | base64 -d > /opt/registry/cleanup-tags.sh && chmod +x /opt/registry/cleanup-tags.sh",
      base64encode(file("${path.root}/../../modules/docker-registry/cleanup-tags.sh"))
    ),
    # Write the registry garbage collector
    format("echo %s | base64 -d > /opt/registry/collect-garbage.py && chmod +x /opt/registry/collect-garbage.py",
      base64encode(file("${path.root}/../../modules/docker-registry/collect-garbage.py"))
    ),
    # Start the stack on every boot
    format("echo %s | base64 -d > /etc/systemd/system/docker-registry.service",
      base64encode(<<-EOT
[Unit]
Description=Docker registry mirrors
Requires=docker.service
After=docker.service network-online.target

[Service]
Type=oneshot
RemainAfterExit=true
WorkingDirectory=/opt/registry
ExecStart=/usr/bin/docker compose up -d
ExecStop=/usr/bin/docker compose down

[Install]
WantedBy=multi-user.target
EOT
      )
    ),
    "systemctl daemon-reload",
    "systemctl enable --now docker-registry.service",
    # Collect garbage every Sunday, one registry after the other
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-dockerhub && { /usr/bin/docker run --rm --volumes-from registry-dockerhub registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-dockerhub; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 3 * * 0 /usr/bin/docker stop registry-quay && { /usr/bin/docker run --rm --volumes-from registry-quay registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-quay; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '15 3 * * 0 /usr/bin/docker stop registry-k8s && { /usr/bin/docker run --rm --volumes-from registry-k8s registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-k8s; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '20 3 * * 0 /usr/bin/docker stop registry-kyverno && { /usr/bin/docker run --rm --volumes-from registry-kyverno registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-kyverno; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '25 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private --nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    # Remove old tags every night, before the collection
    "( crontab -l 2>/dev/null; echo '0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/registry-cleanup.log 2>&1' ) | crontab -",
  ]
}

module "docker-registry-vm" {
  source         = "../../modules/create-vm"
  vmid           = 220
  vm_name        = "docker-registry"
  vm_cpus        = 4
  vm_mem_mb      = 4096 # nginx holds its cache keys in memory
  vm_disk_size   = "256G"
  template_name  = local.registry_vm_template
  snippet_name   = local.registry_snippet
  vm_mac_address = "DE:AD:BE:EF:22:22" # no lease: the address is static
  bridge         = "vmbr1"
  vlan_tag       = "20"
  ipconfig0      = "ip=10.0.20.10/24,gw=10.0.20.1"

  # All ports go through nginx for request serialization (proxy_cache_lock):
  # 5000 -> nginx -> registry-dockerhub (docker.io proxy)
  # 5001 -> registry-dockerhub direct (Prometheus metrics)
  # 5010 -> nginx -> registry-ghcr (ghcr.io proxy)
  # 5020 -> nginx -> registry-quay (quay.io proxy)
  # 5030 -> nginx -> registry-k8s (registry.k8s.io proxy)
  # 5040 -> nginx -> registry-kyverno (reg.kyverno.io proxy)
  # 5050 -> nginx -> registry-private (R/W registry for CI build cache)
  # 8080 -> registry-ui (joxit/docker-registry-ui)
}

#cloud-config
ssh_authorized_keys:
  - ${ssh_public_key}
package_update: true
packages:
  - qemu-guest-agent
%{ for package in packages ~}
  - ${package}
%{ endfor ~}
runcmd:
  - systemctl enable --now qemu-guest-agent
%{ for command in commands ~}
  - ${jsonencode(command)}
%{ endfor ~}

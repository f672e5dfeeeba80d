variable "proxmox_host" { type = string }
variable "ssh_private_key" {
  type      = string
  sensitive = true
}
variable "ssh_public_key" { type = string }
variable "cloud_image_url" { type = string }
variable "template_id" { type = number }
variable "template_name" { type = string }
variable "snippet_name" { type = string }
variable "packages" {
  type    = list(string)
  default = []
}
variable "provision_cmds" {
  type    = list(string)
  default = []
}
variable "containerd_script" {
  type    = string
  default = ""
}
variable "tuning_script" {
  type    = string
  default = ""
}
variable "k8s_join_command" {
  type    = string
  default = ""
}

locals {
  user_data = templatefile("${path.module}/cloud_init.yaml.tpl", {
    ssh_public_key = var.ssh_public_key
    packages       = var.packages
    commands = compact(concat(var.provision_cmds, [
      var.containerd_script,
      var.tuning_script,
      var.k8s_join_command,
    ]))
  })
}

resource "null_resource" "template" {
  triggers = {
    user_data = sha256(local.user_data)
  }

  connection {
    type        = "ssh"
    host        = var.proxmox_host
    user        = "root"
    private_key = var.ssh_private_key
  }

  provisioner "file" {
    content     = local.user_data
    destination = "/var/lib/vz/snippets/${var.snippet_name}"
  }

  provisioner "remote-exec" {
    inline = [
      "qm status ${var.template_id} >/dev/null 2>&1 && exit 0",
      "wget -qO /tmp/${var.template_name}.img '${var.cloud_image_url}'",
      "qm create ${var.template_id} --name ${var.template_name} --scsihw virtio-scsi-pci --agent 1",
      "qm set ${var.template_id} --scsi0 local-lvm:0,import-from=/tmp/${var.template_name}.img --ide2 local-lvm:cloudinit --boot order=scsi0",
      "qm template ${var.template_id}",
    ]
  }
}

terraform {
  required_providers {
    proxmox = {
      source = "telmate/proxmox"
    }
  }
}

variable "vmid" { type = number }
variable "vm_name" { type = string }
variable "vm_cpus" { type = number }
variable "vm_mem_mb" { type = number }
variable "vm_disk_size" { type = string }
variable "template_name" { type = string }
variable "snippet_name" { type = string }
variable "vm_mac_address" { type = string }
variable "bridge" { type = string }
variable "vlan_tag" { type = string }
variable "ipconfig0" {
  type    = string
  default = "ip=dhcp"
}

resource "proxmox_vm_qemu" "vm" {
  vmid        = var.vmid
  name        = var.vm_name
  target_node = "pve"
  clone       = var.template_name
  full_clone  = true
  onboot      = true
  agent       = 1
  memory      = var.vm_mem_mb
  cicustom    = "user=local:snippets/${var.snippet_name}"
  ipconfig0   = var.ipconfig0

  cpu {
    cores = var.vm_cpus
  }

  disk {
    type    = "disk"
    slot    = "scsi0"
    size    = var.vm_disk_size
    storage = "local-lvm"
  }

  network {
    id      = 0
    model   = "virtio"
    bridge  = var.bridge
    tag     = var.vlan_tag
    macaddr = var.vm_mac_address
  }
}

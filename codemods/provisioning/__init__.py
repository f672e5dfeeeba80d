"""What the Terraform list that cloud-init runs puts on a fresh VM: files, directories, crontabs, and why not."""

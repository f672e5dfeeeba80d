variable "technitium_password" {
  type      = string
  sensitive = true
}

locals {
  address = "10.0.20.204"
}

resource "kubernetes_service" "technitium" {
  metadata {
    name      = "technitium"
    namespace = "technitium"
    annotations = {
      "metallb.universe.tf/loadBalancerIPs" = local.address
    }
  }
  spec {
    type     = "LoadBalancer"
    selector = { app = "technitium" }
    port {
      name        = "dns"
      port        = 53
      protocol    = "UDP"
      target_port = 53
    }
    port {
      name        = "web"
      port        = 5380
      target_port = 5380
    }
  }
}

resource "kubernetes_secret" "technitium" {
  metadata {
    name      = "technitium"
    namespace = "technitium"
  }
  data = {
    DNS_SERVER_ADMIN_PASSWORD = var.technitium_password
  }
}

variable "woodpecker_agent_secret" {
  type      = string
  sensitive = true
}

resource "helm_release" "woodpecker" {
  name             = "woodpecker"
  namespace        = "woodpecker"
  create_namespace = true
  repository       = "oci://ghcr.io/woodpecker-ci/helm"
  chart            = "woodpecker"

  values = [file("${path.module}/values.yaml")]

  set_sensitive {
    name  = "agent.env.WOODPECKER_AGENT_SECRET"
    value = var.woodpecker_agent_secret
  }
}

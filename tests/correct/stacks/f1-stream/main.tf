resource "kubernetes_namespace" "f1-stream" {
  metadata {
    name = "f1-stream"
  }
}

resource "kubernetes_deployment" "f1-stream" {
  metadata {
    name      = "f1-stream"
    namespace = kubernetes_namespace.f1-stream.metadata[0].name
    labels    = { app = "f1-stream" }
  }
  spec {
    replicas = 1
    selector {
      match_labels = { app = "f1-stream" }
    }
    template {
      metadata {
        labels = { app = "f1-stream" }
      }
      spec {
        container {
          name              = "f1-stream"
          image             = "viktorbarzin/f1-stream:latest"
          image_pull_policy = "Always"
          port {
            container_port = 80
          }
        }
      }
    }
  }
}

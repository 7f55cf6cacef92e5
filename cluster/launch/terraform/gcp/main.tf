# Network, database and GKE cluster on Google Cloud. What differs between installations stands in values.yaml.
terraform {
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.23, < 8"
    }
  }
}

variable "values" {
  type        = string
  description = "Path of your copy of cluster/launch/values.yaml; what it leaves out is as there."
}

variable "operators" {
  type        = list(string)
  default     = []
  description = "Networks (CIDR) that may reach the API of Kubernetes; none: from inside the network alone."
  validation {
    condition     = alltrue([for one in var.operators : try(tonumber(split("/", one)[1]) >= 8, false)])
    error_message = "Each must be a network as 203.0.113.0/24, of /8 at most: the whole internet is not an operator."
  }
}

variable "database_password" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "Of the user ragfleet (TF_VAR_database_password); it is not kept in Terraform's state."
}

variable "database_password_version" {
  type        = number
  default     = 1
  description = "One more than before when the password has changed."
}

locals {
  v = merge(yamldecode(file("${path.module}/../../values.yaml")), yamldecode(file(var.values)))
}

provider "google" {
  project = local.v.gcp_project
  region  = local.v.gcp_region
}

output "kubeconfig" {
  value       = "gcloud container clusters get-credentials ${google_container_cluster.ragfleet.name} --region ${local.v.gcp_region} --project ${local.v.gcp_project}"
  description = "The command that lets kubectl reach the cluster."
}

output "database" {
  value       = "${google_sql_database_instance.catalog.private_ip_address}:5432/${google_sql_database.catalog.name}"
  description = "Where the catalog is; user ragfleet."
}

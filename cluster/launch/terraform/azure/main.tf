# Network, database and AKS cluster on Azure. What differs between installations stands in values.yaml.
terraform {
  required_version = ">= 1.11"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.27, < 5"
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

# The subscription is that of ARM_SUBSCRIPTION_ID.
provider "azurerm" {
  features {}
}

resource "azurerm_resource_group" "ragfleet" {
  name     = local.v.azure_group
  location = local.v.azure_location
}

output "kubeconfig" {
  value       = "az aks get-credentials --resource-group ${azurerm_resource_group.ragfleet.name} --name ${azurerm_kubernetes_cluster.ragfleet.name}"
  description = "The command that lets kubectl reach the cluster."
}

output "database" {
  value       = "${azurerm_postgresql_flexible_server.catalog.fqdn}:5432/${azurerm_postgresql_flexible_server_database.catalog.name}"
  description = "Where the catalog is; user ragfleet."
}

# Network, database and EKS cluster on AWS. What differs between installations stands in values.yaml.
terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
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

locals {
  v       = merge(yamldecode(file("${path.module}/../../values.yaml")), yamldecode(file(var.values)))
  network = "10.20.0.0/16"
}

provider "aws" {
  region = local.v.aws_region
  default_tags {
    tags = { app = local.v.name }
  }
}

output "kubeconfig" {
  value       = "aws eks update-kubeconfig --region ${local.v.aws_region} --name ${aws_eks_cluster.ragfleet.name}"
  description = "The command that lets kubectl reach the cluster."
}

output "database" {
  value       = "${aws_db_instance.catalog.address}:${aws_db_instance.catalog.port}/${aws_db_instance.catalog.db_name}"
  description = "Where the catalog is; user ragfleet, its password in database_secret."
}

output "database_secret" {
  value       = aws_db_instance.catalog.master_user_secret[0].secret_arn
  description = "The secret of AWS Secrets Manager with the password, which AWS makes and rotates."
}

output "weights" {
  value       = aws_efs_file_system.weights.id
  description = "The file system for the storage class that values.yaml names."
}

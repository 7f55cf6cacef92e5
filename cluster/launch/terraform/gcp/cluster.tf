# GKE with three pools of machines: of Ray's head, on demand with GPUs, and spot with GPUs.
locals {
  pools = {
    head = {
      machine = local.v.gcp_head
      spot    = false
      market  = "on-demand"
      gpus    = 0
      least   = 2 # Kubernetes' own pods survive one
      most    = 3
    }
    on-demand = {
      machine = local.v.gcp_on_demand
      spot    = false
      market  = "on-demand"
      gpus    = local.v.on_demand_gpus
      least   = local.v.on_demand_nodes
      most    = local.v.most_on_demand_nodes + 1
    }
    spot = {
      machine = local.v.gcp_spot
      spot    = true
      market  = "spot"
      gpus    = local.v.spot_gpus
      least   = 0
      most    = local.v.most_spot_nodes
    }
  }
}

# Of the machines, which by default may change all that the project has.
resource "google_service_account" "machines" {
  account_id = "${local.v.name}-machines"
}

resource "google_project_iam_member" "machines" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = local.v.gcp_project
  role     = each.value
  member   = google_service_account.machines.member
}

resource "google_container_cluster" "ragfleet" {
  name                     = local.v.name
  location                 = local.v.gcp_region
  network                  = google_compute_network.ragfleet.id
  subnetwork               = google_compute_subnetwork.machines.id
  initial_node_count       = 1
  remove_default_node_pool = true
  deletion_protection      = true
  datapath_provider        = "ADVANCED_DATAPATH" # without it a NetworkPolicy is taken and does nothing
  release_channel {
    channel = "REGULAR"
  }
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.operators) == 0
  }
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.operators
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }
  workload_identity_config {
    workload_pool = "${local.v.gcp_project}.svc.id.goog"
  }
  addons_config {
    gcp_filestore_csi_driver_config {
      enabled = true # storage classes standard-rwx and premium-rwx, of volumes that many machines write
    }
  }
  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

resource "google_container_node_pool" "ragfleet" {
  for_each           = local.pools
  name               = each.key
  cluster            = google_container_cluster.ragfleet.id
  initial_node_count = 1
  autoscaling {
    # Of all zones together; the other pair of fields would count each zone by itself.
    total_min_node_count = each.value.least
    total_max_node_count = each.value.most
    location_policy      = each.value.spot ? "ANY" : "BALANCED"
  }
  node_config {
    machine_type    = each.value.machine
    spot            = each.value.spot
    disk_size_gb    = 200 # an image with vLLM has 20
    service_account = google_service_account.machines.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = { "ragfleet/market" = each.value.market }
    # GKE taints machines with GPUs itself, and refuses the same taint from here.
    dynamic "guest_accelerator" {
      for_each = each.value.gpus > 0 ? [each.value.gpus] : []
      content {
        type  = local.v.gcp_gpu
        count = guest_accelerator.value
        gpu_driver_installation_config {
          gpu_driver_version = "DEFAULT"
        }
      }
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot = true
    }
  }
  lifecycle {
    ignore_changes = [initial_node_count] # a change would make the pool anew
  }
}

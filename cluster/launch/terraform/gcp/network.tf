# Machines have private addresses alone and reach out through one NAT gateway.
resource "google_compute_network" "ragfleet" {
  name                    = local.v.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "machines" {
  name                     = "${local.v.name}-machines"
  network                  = google_compute_network.ragfleet.id
  ip_cidr_range            = "10.20.0.0/20"
  private_ip_google_access = true
  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.24.0.0/14"
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.20.16.0/20"
  }
}

resource "google_compute_router" "way_out" {
  name    = local.v.name
  network = google_compute_network.ragfleet.id
}

resource "google_compute_router_nat" "way_out" {
  name                               = local.v.name
  router                             = google_compute_router.way_out.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

# Where Google's own services, here the database, have their addresses in this network.
resource "google_compute_global_address" "services" {
  name          = "${local.v.name}-services"
  network       = google_compute_network.ragfleet.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.ragfleet.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
  deletion_policy         = "ABANDON" # else `destroy` waits days for what the database leaves
}

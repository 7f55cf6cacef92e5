# The catalog: PostgreSQL in two zones, with an address in the network alone.
resource "google_sql_database_instance" "catalog" {
  name                = local.v.name
  database_version    = "POSTGRES_17"
  deletion_protection = true
  settings {
    tier                        = local.v.gcp_database
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.ragfleet.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }
  }
  depends_on = [google_service_networking_connection.services] # nothing of it says so by itself
}

resource "google_sql_database" "catalog" {
  name     = "ragfleet"
  instance = google_sql_database_instance.catalog.name
}

resource "google_sql_user" "ragfleet" {
  name                = "ragfleet"
  instance            = google_sql_database_instance.catalog.name
  password_wo         = var.database_password
  password_wo_version = var.database_password_version
}

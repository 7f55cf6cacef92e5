# The catalog: PostgreSQL in two zones, with an address in the network alone.
resource "azurerm_private_dns_zone" "database" {
  name                = "${local.v.name}.private.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.ragfleet.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "database" {
  name                  = "database"
  resource_group_name   = azurerm_resource_group.ragfleet.name
  private_dns_zone_name = azurerm_private_dns_zone.database.name
  virtual_network_id    = azurerm_virtual_network.ragfleet.id
}

resource "azurerm_postgresql_flexible_server" "catalog" {
  name                              = "${local.v.name}-${substr(sha256(azurerm_resource_group.ragfleet.id), 0, 8)}" # one in the world
  resource_group_name               = azurerm_resource_group.ragfleet.name
  location                          = azurerm_resource_group.ragfleet.location
  version                           = "17"
  sku_name                          = local.v.azure_database
  storage_mb                        = 65536
  auto_grow_enabled                 = true
  delegated_subnet_id               = azurerm_subnet.database.id
  private_dns_zone_id               = azurerm_private_dns_zone.database.id
  public_network_access_enabled     = false
  administrator_login               = "ragfleet"
  administrator_password_wo         = var.database_password
  administrator_password_wo_version = var.database_password_version
  backup_retention_days             = 14
  high_availability {
    mode = "ZoneRedundant"
  }
  lifecycle {
    prevent_destroy = true
    ignore_changes  = [zone, high_availability[0].standby_availability_zone] # they change places
  }
  depends_on = [azurerm_private_dns_zone_virtual_network_link.database]
}

resource "azurerm_postgresql_flexible_server_database" "catalog" {
  name      = "ragfleet"
  server_id = azurerm_postgresql_flexible_server.catalog.id
}

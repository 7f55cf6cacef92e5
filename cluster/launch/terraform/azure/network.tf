# Machines have private addresses alone and reach out through one NAT gateway.
resource "azurerm_virtual_network" "ragfleet" {
  name                = local.v.name
  resource_group_name = azurerm_resource_group.ragfleet.name
  location            = azurerm_resource_group.ragfleet.location
  address_space       = ["10.20.0.0/16"]
}

resource "azurerm_subnet" "machines" {
  name                 = "machines"
  resource_group_name  = azurerm_resource_group.ragfleet.name
  virtual_network_name = azurerm_virtual_network.ragfleet.name
  address_prefixes     = ["10.20.0.0/20"]
}

resource "azurerm_subnet" "database" {
  name                 = "database"
  resource_group_name  = azurerm_resource_group.ragfleet.name
  virtual_network_name = azurerm_virtual_network.ragfleet.name
  address_prefixes     = ["10.20.16.0/24"]
  delegation {
    name = "postgresql"
    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_public_ip" "way_out" {
  name                = "${local.v.name}-way-out"
  resource_group_name = azurerm_resource_group.ragfleet.name
  location            = azurerm_resource_group.ragfleet.location
  allocation_method   = "Static"
  sku                 = "Standard"
}

resource "azurerm_nat_gateway" "way_out" {
  name                = "${local.v.name}-way-out"
  resource_group_name = azurerm_resource_group.ragfleet.name
  location            = azurerm_resource_group.ragfleet.location
  sku_name            = "Standard"
}

resource "azurerm_nat_gateway_public_ip_association" "way_out" {
  nat_gateway_id       = azurerm_nat_gateway.way_out.id
  public_ip_address_id = azurerm_public_ip.way_out.id
}

resource "azurerm_subnet_nat_gateway_association" "machines" {
  subnet_id      = azurerm_subnet.machines.id
  nat_gateway_id = azurerm_nat_gateway.way_out.id
}

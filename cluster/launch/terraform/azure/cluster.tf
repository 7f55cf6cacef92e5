# AKS with three pools of machines: of Ray's head, on demand with GPUs, and spot with GPUs.
locals {
  gpu = "nvidia.com/gpu=present:NoSchedule"
  # Azure gives both to every spot machine; left out, each plan would take them away again.
  spot_label = { "kubernetes.azure.com/scalesetpriority" = "spot" }
  spot_taint = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"
}

resource "azurerm_user_assigned_identity" "cluster" {
  name                = local.v.name
  resource_group_name = azurerm_resource_group.ragfleet.name
  location            = azurerm_resource_group.ragfleet.location
}

resource "azurerm_role_assignment" "cluster" {
  scope                = azurerm_virtual_network.ragfleet.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_kubernetes_cluster" "ragfleet" {
  name                      = local.v.name
  resource_group_name       = azurerm_resource_group.ragfleet.name
  location                  = azurerm_resource_group.ragfleet.location
  dns_prefix                = local.v.name
  private_cluster_enabled   = length(var.operators) == 0
  automatic_upgrade_channel = "patch"
  default_node_pool {
    name                        = "head"
    temporary_name_for_rotation = "headnew"
    vm_size                     = local.v.azure_head
    vnet_subnet_id              = azurerm_subnet.machines.id
    os_disk_size_gb             = 200 # an image with vLLM has 20
    auto_scaling_enabled        = true
    min_count                   = 2 # Kubernetes' own pods survive one
    max_count                   = 3
    node_labels                 = { "ragfleet/market" = "on-demand" }
  }
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium" # without one a NetworkPolicy is taken and does nothing
    network_data_plane  = "cilium"
    outbound_type       = "userAssignedNATGateway"
    pod_cidr            = "10.244.0.0/16"
    service_cidr        = "10.21.0.0/16"
    dns_service_ip      = "10.21.0.10"
  }
  dynamic "api_server_access_profile" {
    for_each = length(var.operators) > 0 ? [var.operators] : []
    content {
      # The machines come by the public way, too.
      authorized_ip_ranges = concat(api_server_access_profile.value, ["${azurerm_public_ip.way_out.ip_address}/32"])
    }
  }
  lifecycle {
    ignore_changes = [default_node_pool[0].node_count] # it is the autoscaler's
  }
  depends_on = [
    azurerm_role_assignment.cluster,
    azurerm_nat_gateway_public_ip_association.way_out,
    azurerm_subnet_nat_gateway_association.machines,
  ]
}

resource "azurerm_kubernetes_cluster_node_pool" "on_demand" {
  name                  = "ondemand"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.ragfleet.id
  vm_size               = local.v.azure_on_demand
  vnet_subnet_id        = azurerm_subnet.machines.id
  os_disk_size_gb       = 200
  auto_scaling_enabled  = true
  min_count             = local.v.on_demand_nodes
  max_count             = local.v.most_on_demand_nodes + 1
  node_labels           = { "ragfleet/market" = "on-demand" }
  node_taints           = [local.gpu]
  lifecycle {
    ignore_changes = [node_count]
  }
}

resource "azurerm_kubernetes_cluster_node_pool" "spot" {
  name                  = "spot"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.ragfleet.id
  priority              = "Spot"
  eviction_policy       = "Delete"
  spot_max_price        = -1 # up to the price on demand
  vm_size               = local.v.azure_spot
  vnet_subnet_id        = azurerm_subnet.machines.id
  os_disk_size_gb       = 200
  auto_scaling_enabled  = true
  min_count             = 0
  max_count             = local.v.most_spot_nodes
  node_labels           = merge(local.spot_label, { "ragfleet/market" = "spot" })
  node_taints           = [local.gpu, local.spot_taint]
  lifecycle {
    ignore_changes = [node_count]
  }
}

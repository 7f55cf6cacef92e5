# EKS with three groups of machines: of Ray's head, on demand with GPUs, and spot with GPUs.
locals {
  gpu = { key = "nvidia.com/gpu", value = "present", effect = "NO_SCHEDULE" }
  groups = {
    head = {
      machine  = local.v.aws_head
      capacity = "ON_DEMAND"
      market   = "on-demand"
      image    = "AL2023_x86_64_STANDARD"
      taints   = []
      least    = 2 # Kubernetes' own pods survive one
      most     = 3
    }
    on-demand = {
      machine  = local.v.aws_on_demand
      capacity = "ON_DEMAND"
      market   = "on-demand"
      image    = "AL2023_x86_64_NVIDIA"
      taints   = [local.gpu]
      least    = local.v.on_demand_nodes
      most     = local.v.most_on_demand_nodes + 1
    }
    spot = {
      machine  = local.v.aws_spot
      capacity = "SPOT"
      market   = "spot"
      image    = "AL2023_x86_64_NVIDIA"
      taints   = [local.gpu]
      least    = 0
      most     = local.v.most_spot_nodes
    }
  }
  roles = {
    cluster = {
      service  = "eks.amazonaws.com"
      policies = ["AmazonEKSClusterPolicy"]
    }
    machines = {
      service  = "ec2.amazonaws.com"
      policies = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"]
    }
    weights = {
      service  = "pods.eks.amazonaws.com"
      policies = ["service-role/AmazonEFSCSIDriverPolicy"]
    }
  }
  policies = merge([
    for role, one in local.roles : { for policy in one.policies : "${role} ${policy}" => [role, policy] }
  ]...)
}

resource "aws_iam_role" "ragfleet" {
  for_each = local.roles
  name     = "${local.v.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = each.value.service }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "ragfleet" {
  for_each   = local.policies
  role       = aws_iam_role.ragfleet[each.value[0]].name
  policy_arn = "arn:aws:iam::aws:policy/${each.value[1]}"
}

resource "aws_eks_cluster" "ragfleet" {
  name     = local.v.name
  role_arn = aws_iam_role.ragfleet["cluster"].arn
  vpc_config {
    subnet_ids              = values(aws_subnet.machines)[*].id
    endpoint_private_access = true
    endpoint_public_access  = length(var.operators) > 0
    public_access_cidrs     = length(var.operators) > 0 ? var.operators : null
  }
  access_config {
    authentication_mode = "API"
    # Of whoever applies this. The provider says false where EKS says true, and nobody could do anything.
    bootstrap_cluster_creator_admin_permissions = true
  }
  enabled_cluster_log_types = ["audit", "authenticator"]
  lifecycle {
    ignore_changes = [access_config[0].bootstrap_cluster_creator_admin_permissions] # it would be made anew
  }
  depends_on = [aws_iam_role_policy_attachment.ragfleet]
}

# Without this setting of it a NetworkPolicy is taken and does nothing.
resource "aws_eks_addon" "network" {
  cluster_name                = aws_eks_cluster.ragfleet.name
  addon_name                  = "vpc-cni"
  configuration_values        = jsonencode({ enableNetworkPolicy = "true" })
  resolve_conflicts_on_create = "OVERWRITE"
}

resource "aws_eks_addon" "identity" {
  cluster_name = aws_eks_cluster.ragfleet.name
  addon_name   = "eks-pod-identity-agent"
}

resource "aws_eks_addon" "weights" {
  cluster_name = aws_eks_cluster.ragfleet.name
  addon_name   = "aws-efs-csi-driver"
  pod_identity_association {
    role_arn        = aws_iam_role.ragfleet["weights"].arn
    service_account = "efs-csi-controller-sa"
  }
  depends_on = [aws_eks_addon.identity, aws_eks_node_group.ragfleet]
}

resource "aws_launch_template" "ragfleet" {
  for_each = local.groups
  name     = "${local.v.name}-${each.key}"
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 200 # GB; an image with vLLM has 20
      volume_type           = "gp3"
      delete_on_termination = true
    }
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = each.value.market == "spot" ? 2 : 1 # 2: cluster.spot asks from a pod
  }
}

resource "aws_eks_node_group" "ragfleet" {
  for_each        = local.groups
  cluster_name    = aws_eks_cluster.ragfleet.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.ragfleet["machines"].arn
  subnet_ids      = values(aws_subnet.machines)[*].id
  instance_types  = [each.value.machine]
  capacity_type   = each.value.capacity
  ami_type        = each.value.image
  labels          = { "ragfleet/market" = each.value.market }
  launch_template {
    id      = aws_launch_template.ragfleet[each.key].id
    version = aws_launch_template.ragfleet[each.key].latest_version
  }
  scaling_config {
    min_size     = each.value.least
    max_size     = each.value.most
    desired_size = max(each.value.least, 1)
  }
  update_config {
    max_unavailable = 1
  }
  dynamic "taint" {
    for_each = each.value.taints
    content {
      key    = taint.value.key
      value  = taint.value.value
      effect = taint.value.effect
    }
  }
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # it is the autoscaler's
  }
  depends_on = [aws_iam_role_policy_attachment.ragfleet, aws_eks_addon.network]
}

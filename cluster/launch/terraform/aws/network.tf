# Machines have private addresses alone and reach out through one NAT gateway a zone.
data "aws_availability_zones" "here" {
  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # no local zones, where EKS has no control plane
  }
}

locals {
  names = data.aws_availability_zones.here.names
  zones = { for i, zone in slice(local.names, 0, min(3, length(local.names))) : zone => i }
}

resource "aws_vpc" "ragfleet" {
  cidr_block           = local.network
  enable_dns_hostnames = true
}

resource "aws_subnet" "machines" {
  for_each          = local.zones
  vpc_id            = aws_vpc.ragfleet.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(local.network, 3, each.value)
}

# Of the NAT gateways, nothing else.
resource "aws_subnet" "way_out" {
  for_each          = local.zones
  vpc_id            = aws_vpc.ragfleet.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(local.network, 8, 240 + each.value)
}

resource "aws_internet_gateway" "ragfleet" {
  vpc_id = aws_vpc.ragfleet.id
}

resource "aws_eip" "way_out" {
  for_each = local.zones
  domain   = "vpc"
}

resource "aws_nat_gateway" "way_out" {
  for_each      = local.zones
  allocation_id = aws_eip.way_out[each.key].id
  subnet_id     = aws_subnet.way_out[each.key].id
  depends_on    = [aws_internet_gateway.ragfleet]
}

resource "aws_route_table" "way_out" {
  vpc_id = aws_vpc.ragfleet.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.ragfleet.id
  }
}

resource "aws_route_table" "machines" {
  for_each = local.zones
  vpc_id   = aws_vpc.ragfleet.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.way_out[each.key].id
  }
}

resource "aws_route_table_association" "way_out" {
  for_each       = local.zones
  subnet_id      = aws_subnet.way_out[each.key].id
  route_table_id = aws_route_table.way_out.id
}

resource "aws_route_table_association" "machines" {
  for_each       = local.zones
  subnet_id      = aws_subnet.machines[each.key].id
  route_table_id = aws_route_table.machines[each.key].id
}

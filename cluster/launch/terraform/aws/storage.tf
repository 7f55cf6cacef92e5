# What outlives the machines: the catalog, and the file system of the models' weights.
locals {
  # Who may speak to them: the machines of the cluster.
  inside = aws_eks_cluster.ragfleet.vpc_config[0].cluster_security_group_id
}

resource "aws_security_group" "storage" {
  for_each    = { database = 5432, weights = 2049 }
  name        = "${local.v.name}-${each.key}"
  description = "From the machines of the cluster alone"
  vpc_id      = aws_vpc.ragfleet.id
  ingress {
    from_port       = each.value
    to_port         = each.value
    protocol        = "tcp"
    security_groups = [local.inside]
  }
}

resource "aws_db_subnet_group" "catalog" {
  name       = local.v.name
  subnet_ids = values(aws_subnet.machines)[*].id
}

resource "aws_db_instance" "catalog" {
  identifier                  = local.v.name
  engine                      = "postgres"
  engine_version              = "17"
  instance_class              = local.v.aws_database
  allocated_storage           = 50
  max_allocated_storage       = 500
  storage_encrypted           = true
  db_name                     = "ragfleet"
  username                    = "ragfleet"
  manage_master_user_password = true # in Secrets Manager, never in Terraform's state
  multi_az                    = true
  publicly_accessible         = false
  db_subnet_group_name        = aws_db_subnet_group.catalog.name
  vpc_security_group_ids      = [aws_security_group.storage["database"].id]
  backup_retention_period     = 14 # days; to any second of them
  copy_tags_to_snapshot       = true
  deletion_protection         = true
  final_snapshot_identifier   = "${local.v.name}-last"
}

resource "aws_efs_file_system" "weights" {
  encrypted       = true
  throughput_mode = "elastic"
}

resource "aws_efs_mount_target" "weights" {
  for_each        = local.zones
  file_system_id  = aws_efs_file_system.weights.id
  subnet_id       = aws_subnet.machines[each.key].id
  security_groups = [aws_security_group.storage["weights"].id]
}

-- The role of barman on the primary, made once by a superuser: it may read every file of the cluster.
-- Set its password with \password barman, and allow it in pg_hba.conf for the databases postgres and replication.
CREATE ROLE barman LOGIN REPLICATION;
GRANT pg_read_all_settings, pg_read_all_stats, pg_checkpoint TO barman;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal(),
    pg_create_restore_point(text) TO barman;

/* The least that reading a table of PostgreSQL can cost a client: a binary COPY whose rows are dropped.
 *
 *   cc -O2 -I"$(pg_config --includedir)" floor_postgres.c -lpq -o floor_postgres && ./floor_postgres URL transactions
 */
#include <libpq-fe.h>
#include <stdio.h>

int main(int argc, char **argv) {
  char sql[512];
  char *row;
  long long rows = 0, bytes = 0;
  if (argc < 3) return 2;
  PGconn *connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) return 2;
  snprintf(sql, sizeof sql, "COPY (SELECT * FROM %s) TO STDOUT (FORMAT binary)", argv[2]);
  PGresult *result = PQexec(connection, sql);
  if (PQresultStatus(result) != PGRES_COPY_OUT) return 2;
  for (int length; (length = PQgetCopyData(connection, &row, 0)) > 0; rows++) {
    bytes += length;
    PQfreemem(row);
  }
  printf("{\"rows\": %lld, \"bytes\": %lld}\n", rows - 1, bytes);
  PQfinish(connection);
  return 0;
}

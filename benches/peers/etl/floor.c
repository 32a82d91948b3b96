/* The least that reading a table of SQLite can cost: step, read every column by its class into arrays, drop them batch by batch.
 *
 *   cc -O2 floor.c -lsqlite3 -o floor && ./floor clients.sqlite transactions
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BATCH 65536
#define COLUMNS 64

int main(int argc, char **argv) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  char sql[512];
  static long long numbers[COLUMNS][BATCH];
  static double reals[COLUMNS][BATCH];
  static char *text[COLUMNS];
  static size_t used[COLUMNS], room[COLUMNS];
  long long rows = 0;
  unsigned long long check = 0;
  if (argc < 3 || sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) return 2;
  snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", argv[2]);
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) return 2;
  int columns = sqlite3_column_count(statement);
  if (columns > COLUMNS) return 2;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    int row = rows % BATCH;
    if (row == 0) memset(used, 0, sizeof used);
    for (int i = 0; i < columns; i++) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER: numbers[i][row] = sqlite3_column_int64(statement, i); check += numbers[i][row]; break;
        case SQLITE_FLOAT: reals[i][row] = sqlite3_column_double(statement, i); break;
        case SQLITE_TEXT: {
          const unsigned char *from = sqlite3_column_text(statement, i);
          size_t length = sqlite3_column_bytes(statement, i);
          if (used[i] + length > room[i]) {
            room[i] = 2 * (used[i] + length) + 4096;
            text[i] = realloc(text[i], room[i]);
          }
          memcpy(text[i] + used[i], from, length);
          used[i] += length;
          numbers[i][row] = used[i];
          break;
        }
        default: numbers[i][row] = -1;
      }
    }
    rows++;
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"rows\": %lld, \"cpu_seconds\": %.3f, \"peak_mb\": %.1f, \"check\": %llu}\n", rows,
         usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
         usage.ru_maxrss / 1024.0, check);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return 0;
}

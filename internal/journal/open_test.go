package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// refused looks that an error is one clear line that says so, and no paths.
func refused(t *testing.T, err error, dir, says string) {
	t.Helper()
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != says || strings.Contains(says, "\n") || dir != "" && strings.Contains(says, dir) {
		t.Errorf("%s: %v\nwant %s", pxepilot.ErrorCode(err), err, says)
	}
}

// filled makes a journal with something in it, in a directory of its own, closed.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	f := newFixture(t, dir, Options{})
	for n := range int64(25) {
		f.must(f.Write(t.Context(), deed(n+1)))
	}
	f.must(f.Close())
	return dir
}

// killed is filled as a process leaves it that was killed.
func killed(t *testing.T) (dir string) {
	t.Helper()
	from := filled(t)
	f := newFixture(t, from, Options{})
	f.must(f.Write(t.Context(), deed(26)))
	dir = t.TempDir()
	f.crashed(dir)
	f.must(f.Close())
	return dir
}

const damaged = "the journal in the state directory (state.directory) is damaged, or its disk is (see dmesg); it is left as it is: restore a backup of it, or move journal.db and what begins like it away to begin a new one"

// TestDamage: a journal that is not whole, or none, is refused, and left as it is.
func TestDamage(t *testing.T) {
	db := func(dir string) string { return filepath.Join(dir, database) }
	truncate := func(size func(int64) int64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			info, err := os.Stat(db(dir))
			if err == nil {
				err = os.Truncate(db(dir), size(info.Size()))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(data string, off func(int64) int64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(db(dir), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, _ := f.Stat()
			if _, err := f.WriteAt([]byte(data), off(info.Size())); err != nil {
				t.Fatal(err)
			}
		}
	}
	sql := func(script string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			w, err := newWriter(db(dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.script(script), w.close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	half := func(n int64) int64 { return n / 2 }
	for _, tt := range []struct {
		name string
		of   func(*testing.T) string
		do   func(t *testing.T, dir string)
		says string // empty where it is opened all the same
	}{
		{"empty", filled, truncate(func(int64) int64 { return 0 }), damaged},
		{"a few bytes", filled, truncate(func(int64) int64 { return 10 }), damaged},
		{"cut in the header", filled, truncate(func(int64) int64 { return 60 }), damaged},
		{"cut in the middle", filled, truncate(half), damaged},
		{"cut in the middle of a page", filled, truncate(func(n int64) int64 { return n/2 + 100 }), damaged},
		{"cut at the end", filled, truncate(func(n int64) int64 { return n - 4096 }), damaged},
		{"cut, and a process was killed", killed, truncate(half), damaged},
		{"empty, and a process was killed", killed, truncate(func(int64) int64 { return 0 }), damaged},
		{"garbage", filled, put(strings.Repeat("garbage ", 1000), func(int64) int64 { return 0 }), damaged},
		{"garbage in the header", filled, put("garbage ", func(int64) int64 { return 30 }), damaged},
		{"garbage in the schema", filled, put(strings.Repeat("garbage ", 400), func(int64) int64 { return 200 }), damaged},
		{"garbage in a page", filled, put(strings.Repeat("garbage ", 512), func(n int64) int64 { return n / 2 &^ 4095 }), damaged},
		{"a text", filled, func(t *testing.T, dir string) { must(t, os.WriteFile(db(dir), []byte("dear diary\n"), 0o600)) }, damaged},
		{"another program's", filled, sql(`PRAGMA application_id = 1`),
			"journal.db in the state directory (state.directory) is the database of another program; move it away"},
		{"a newer version's", filled, sql(`PRAGMA user_version = 99`),
			"the journal is of format 99 and this version of the program knows formats up to 2; install the newer version again, or restore a backup of before"},
		{"a directory", filled, func(t *testing.T, dir string) {
			must(t, os.Remove(db(dir)))
			must(t, os.Mkdir(db(dir), 0o700))
		}, "journal.db in the state directory (state.directory) is not a regular file; move it away"},
		{"a named pipe", filled, func(t *testing.T, dir string) {
			must(t, os.Remove(db(dir)))
			must(t, unix.Mkfifo(db(dir), 0o600))
		}, "journal.db in the state directory (state.directory) is not a regular file; move it away"},
		{"away, and a process was killed", killed, func(t *testing.T, dir string) { must(t, os.Rename(db(dir), db(t.TempDir()))) },
			"journal.db is missing in the state directory (state.directory), and what belongs to it is still there; put it back, or move journal.db-wal away to begin a new one"},
		{"its log is empty", filled, func(t *testing.T, dir string) { must(t, os.WriteFile(db(dir)+"-wal", nil, 0o600)) }, ""},
		{"its log is garbage", filled, func(t *testing.T, dir string) {
			must(t, os.WriteFile(db(dir)+"-wal", []byte(strings.Repeat("garbage ", 1000)), 0o600))
		}, ""},
		{"its shared memory is garbage", killed, func(t *testing.T, dir string) {
			must(t, os.WriteFile(db(dir)+"-shm", []byte(strings.Repeat("garbage ", 4096)), 0o600))
		}, ""},
		{"an attempt before was killed", filled, func(t *testing.T, dir string) {
			must(t, os.Remove(db(dir)))
			must(t, os.WriteFile(db(dir)+".new", []byte("half"), 0o600))
			must(t, os.WriteFile(db(dir)+".new-journal", []byte("half"), 0o600))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.of(t)
			tt.do(t, dir)
			before := filesOf(t, dir)
			j, err := Open(t.Context(), Options{Directory: dir})
			if tt.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := j.Write(t.Context(), deed(j.lastID+1)); err != nil && j.lastID > 0 {
					t.Error(err)
				}
				must(t, j.Close())
				return
			}
			refused(t, err, dir, tt.says)
			for name, was := range before {
				if now := filesOf(t, dir)[name]; now != was {
					t.Errorf("%s was touched", name)
				}
			}
		})
	}
}

// filesOf are the contents of the files that matter.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{database, database + "-wal"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			data, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			files[name] = string(data)
		}
	}
	return files
}

func TestWhere(t *testing.T) {
	base := t.TempDir()
	must(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
	must(t, os.Symlink("nothing", filepath.Join(base, "dangling")))
	for _, tt := range []struct{ dir, says string }{
		{"missing/state", "the state directory (state.directory) is missing; make it, or see that its disk is mounted"},
		{"file", "the state directory (state.directory) is not a directory; name another one"},
		{"file/state", "the state directory (state.directory) is not a directory; name another one"},
		{"dangling", "the state directory (state.directory) is missing; make it, or see that its disk is mounted"},
		{strings.Repeat("long", 100), "the state directory (state.directory) cannot be used; see what the kernel says of its disk (dmesg)"},
	} {
		_, err := Open(t.Context(), Options{Directory: filepath.Join(base, tt.dir)})
		refused(t, err, base, tt.says)
	}
}

// TestModes: nobody else reads what happened at a site.
func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "state")
	j := opened(t, dir)
	must(t, j.Write(t.Context(), deed(1)))
	must(t, j.Backup(t.Context(), filepath.Join(dir, "backup")))
	modes := map[string]string{}
	for _, name := range []string{".", database, database + "-wal", database + "-shm", lockFile, "backup"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		modes[name] = info.Mode().String()
	}
	if got, want := fmt.Sprint(modes), fmt.Sprint(map[string]string{
		".": "drwx------", database: "-rw-------", database + "-wal": "-rw-------", database + "-shm": "-rw-------",
		lockFile: "-rw-------", "backup": "-rw-------",
	}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestGone: what is written to files that nobody will find is not acknowledged.
func TestGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, dir string)
		says string
	}{
		{"the directory is renamed", func(t *testing.T, dir string) { must(t, os.Rename(dir, dir+".old")) }, ""},
		{"the directory is removed", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, ""},
		{"the database is removed", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, database))) }, database},
		{"its log is removed", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, database+"-wal"))) }, database + "-wal"},
		{"the lock is removed", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, lockFile))) }, lockFile},
		{"the database is replaced", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
			must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, database)))
		}, database},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t)
			f := newFixture(t, dir, Options{})
			defer f.Close()
			tt.do(t, dir)
			err := f.Write(t.Context(), deed(26))
			want := tt.says + " was removed from the state directory (state.directory), or replaced, while the server runs; put it back, or start the server again"
			if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}

// tell opens a journal as another user and tells what came of it.
func tell(args []string) error {
	j, err := Open(context.Background(), Options{Directory: args[0]})
	if err != nil {
		fmt.Println(err)
		return nil
	}
	return j.Close()
}

func TestClosedToTheUser(t *testing.T) {
	testenv.NeedRoot(t)
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, dir string)
		says string
	}{
		{"the directory", func(t *testing.T, dir string) {}, "the state directory (state.directory) is closed to the user of the server; give it to that user (chown)"},
		{"the files", func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, "the state directory (state.directory) is closed to the user of the server; give it to that user (chown)"},
		{"the database", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir, 0o777))
			must(t, os.Remove(filepath.Join(dir, lockFile)))
		}, "the state directory (state.directory) is closed to the user of the server; give it to that user (chown)"},
		{"writing", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir, 0o777))
			must(t, os.Remove(filepath.Join(dir, lockFile)))
			must(t, os.Chmod(filepath.Join(dir, database), 0o644))
		}, "the state directory (state.directory) is closed to the user of the server; give it to that user (chown)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t)
			must(t, os.Chmod(filepath.Dir(dir), 0o755))
			must(t, os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755))
			tt.do(t, dir)
			self, err := os.Executable()
			must(t, err)
			at := filepath.Join(filepath.Dir(dir), "self") // where that user reads it
			data, err := os.ReadFile(self)
			must(t, err)
			must(t, os.WriteFile(at, data, 0o755))
			cmd := child(t, "open", dir)
			cmd.Path = at
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.Output()
			if err != nil || strings.TrimSpace(string(out)) != tt.says {
				t.Errorf("%s, %v\nwant %s", out, err, tt.says)
			}
		})
	}
}

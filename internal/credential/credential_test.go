package credential

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func noEnv(string) string { return "" }

func TestSource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	write(t, file, "from file\n")
	env := func(name string) string { return map[string]string{"BMC": "from env"}[name] }
	for _, tt := range []struct {
		c    pxepilot.Credentials
		want string
	}{
		{pxepilot.Credentials{}, ""},
		{pxepilot.Credentials{Username: "admin", Password: pxepilot.NewSecret("told")}, "told"},
		{pxepilot.Credentials{PasswordEnv: "BMC"}, "from env"},
		{pxepilot.Credentials{PasswordFile: file}, "from file"},
	} {
		got, err := Source(tt.c, env)()
		if err != nil || got.Reveal() != tt.want {
			t.Errorf("%+v: got %q, %v; want %q", tt.c, got.Reveal(), err, tt.want)
		}
	}
}

func TestContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pw")
	source := Source(pxepilot.Credentials{PasswordFile: path}, noEnv)
	for text, want := range map[string]string{
		"hunter2":                      "hunter2",
		"hunter2\n":                    "hunter2",
		"hunter2\r\n":                  "hunter2",
		"\ufeffhunter2\r\n":            "hunter2",
		" hunter 2 \n":                 " hunter 2 ",
		"hünter2":                      "hünter2",
		"\xff\xfe\n":                   "\xff\xfe",
		"hunter2\n\n":                  "! has several lines; want the password alone",
		"admin\nhunter2\n":             "! has several lines; want the password alone",
		"":                             "! is empty; write the password into it",
		"\n":                           "! is empty; write the password into it",
		"\ufeff\r\n":                   "! is empty; write the password into it",
		"hunter2\x00":                  "! holds a zero byte; want the password as plain text",
		strings.Repeat("hunter2", 600): "! is larger than 4 KiB, which is no password; is it the right file?",
	} {
		write(t, path, text)
		got, err := source()
		wrong, isWrong := strings.CutPrefix(want, "!")
		switch {
		case !isWrong && (err != nil || got.Reveal() != want):
			t.Errorf("%q: got %q, %v; want %q", text, got.Reveal(), err, want)
		case isWrong && (err == nil || err.Error() != `password_file "`+path+`"`+wrong):
			t.Errorf("%q: got %v; want ...%s", text, err, wrong)
		case isWrong && (got.IsSet() || pxepilot.ErrorCode(err) != pxepilot.Conflict || strings.Contains(err.Error(), "hunter")):
			t.Errorf("%q: got %q, %v (%s)", text, got.Reveal(), err, pxepilot.ErrorCode(err))
		}
	}
}

// A file of the same size, inode and time is read as well: whoever writes twice
// within the grain of the file system's clock leaves no other trace.
func TestChangesAreNoticed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pw")
	source := Source(pxepilot.Credentials{PasswordFile: path}, noEnv)
	then := time.Now()
	expect := func(want string) {
		t.Helper()
		if got, err := source(); err != nil || got.Reveal() != want {
			t.Errorf("got %q, %v; want %q", got.Reveal(), err, want)
		}
	}
	for _, want := range []string{"first", "later"} {
		write(t, path, want)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		expect(want)
	}
	write(t, path+".new", "other")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	expect("other")
	// As Kubernetes and the like swap secrets: by a link to a directory.
	for _, want := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, want), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, want, "pw"), want)
		link := filepath.Join(dir, "new")
		if err := errors.Join(os.Symlink(want, link), os.Rename(link, filepath.Join(dir, "now"))); err != nil {
			t.Fatal(err)
		}
		got, err := Source(pxepilot.Credentials{PasswordFile: filepath.Join(dir, "now", "pw")}, noEnv)()
		if err != nil || got.Reveal() != want {
			t.Errorf("got %q, %v; want %q", got.Reveal(), err, want)
		}
	}
}

func TestNoSource(t *testing.T) {
	dir := t.TempDir()
	pipe, loop := filepath.Join(dir, "pipe"), filepath.Join(dir, "loop")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("loop", loop)); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	for want, c := range map[string]pxepilot.Credentials{
		"password_env: the environment variable BMC is empty or not set; set it for the server, and start that again": {PasswordEnv: "BMC"},
		`password_file "` + none + `" does not exist; write the password into it`:                                     {PasswordFile: none},
		`password_file "` + dir + `" is not a regular file; name one that holds the password`:                         {PasswordFile: dir},
		`password_file "` + pipe + `" is not a regular file; name one that holds the password`:                        {PasswordFile: pipe},
		`password_file "` + loop + `" cannot be read: too many levels of symbolic links`:                              {PasswordFile: loop},
		`password_file "/proc/self/mem" cannot be read: input/output error`:                                           {PasswordFile: "/proc/self/mem"},
	} {
		_, err := Source(c, noEnv)()
		if err == nil || err.Error() != want || pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	// Root may read everything, so this one is asked for its words alone.
	err := unreadable(&os.PathError{Op: "open", Path: none, Err: syscall.EACCES})
	if got, want := err.Error(), "cannot be read: permission denied; let the server's user or group read it"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pw")
	write(t, path, "hunter2\n")
	source := Source(pxepilot.Credentials{PasswordFile: path}, noEnv)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := source(); err != nil || got.Reveal() != "hunter2" {
				t.Error(got.Reveal(), err)
			}
		})
	}
	all.Wait()
}

func BenchmarkFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "pw")
	write(b, path, "hunter2\n")
	source := Source(pxepilot.Credentials{PasswordFile: path}, noEnv)
	for b.Loop() {
		if _, err := source(); err != nil {
			b.Fatal(err)
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, largest+1); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):         "none: does not exist; write it, or name another one with -c",
		filepath.Join(dir, "huge", "none"): "none: cannot be read: not a directory",
		dir:                                filepath.Base(dir) + ": is a directory; name the file in it",
		huge:                               "huge: is larger than 64 MiB; is it the right file?",
		pipe:                               "pipe: is not a regular file",
		loop:                               "loop: cannot be read: too many levels of symbolic links",
		"/proc/self/mem":                   "mem: cannot be read: input/output error",
	} {
		if got := toldOf(t, path); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestFileThatMayNotBeRead(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root may read everything, so the error comes from the table of errors.
		err := &os.PathError{Op: "open", Path: "c.yml", Err: syscall.EACCES}
		if got, want := message(err), "cannot be read: permission denied"; got != want {
			t.Errorf("got %s; want %s", got, want)
		}
		return
	}
	path := write(t, "c.yml", "hosts: []"+site)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if got, want := toldOf(t, path), "c.yml: cannot be read: permission denied"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestHostsDirectory(t *testing.T) {
	main := "hosts: [{name: h1, mac_addresses: [525400000001]}]\nhosts_directory: hosts.d\n" + site
	path := write(t,
		"c.yml", main,
		"hosts.d/b.yml", "hosts: [{name: h3, mac_addresses: [525400000003]}]",
		"hosts.d/a.yml", "hosts: [{name: h2, mac_addresses: [525400000002], ipmi: {hostname: a, password_file: pw}}]",
		"hosts.d/.hidden.yml", "nonsense",
		"hosts.d/c.yml.bak", "nonsense",
		"hosts.d/README", "nonsense",
		"hosts.d/d.yaml", "nonsense",
	)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(path), "hosts.d")
	var names []string
	for _, h := range c.Hosts {
		names = append(names, h.Name)
	}
	if d := cmp.Diff([]string{"h1", "h2", "h3"}, names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{path, dir + "/a.yml", dir + "/b.yml"}, c.Files); d != "" {
		t.Error(d)
	}
	if c.HostsDirectory != dir {
		t.Error("hosts directory", c.HostsDirectory)
	}
	if got, want := c.Hosts[1].IPMI.PasswordFile, filepath.Join(filepath.Dir(path), "pw"); got != want {
		t.Errorf("password_file %s; want %s", got, want)
	}
	if d := cmp.Diff(`c.yml:2:18: "hosts.d/d.yaml" is not read; the files of hosts_directory end in .yml
hosts.d/a.yml:1:86: password_file "pw" does not exist; the BMC cannot be asked before it does`, warned(c)); d != "" {
		t.Error(d)
	}
}

func TestHostsDirectoryAlone(t *testing.T) {
	c, err := Load(write(t, "c.yml", "hosts_directory: .\n"+site, "d.txt", ""))
	// The main file is one of the directory's, and is no file of hosts.
	if err == nil || len(c.Files) != 2 {
		t.Error(c, err)
	}
	if _, err := Load(write(t, "c.conf", "hosts_directory: .\n"+site)); err != nil {
		t.Error(err)
	}
}

func TestHostsDirectoryErrors(t *testing.T) {
	main := "hosts: [{name: h1, mac_addresses: [525400000001]}]\nhosts_directory: hosts.d\n" + site
	for name, tt := range map[string]struct {
		want  string
		files []string
	}{
		"missing": {"c.yml:2:18: hosts_directory hosts.d does not exist; make it, or remove the key", nil},
		"a file":  {"c.yml:2:18: hosts_directory hosts.d cannot be read: not a directory", []string{"hosts.d", ""}},
		"hosts of other files": {`hosts.d/a.yml:2:11: host "h1" is already in c.yml:1; rename or remove one of them
hosts.d/a.yml:3:21: 52:54:00:00:00:01 is already host "h1"'s in c.yml:1; remove it from one of them
hosts.d/b.yml:1:36: 52:54:00:00:00:02 is already host "h1"'s in hosts.d/a.yml:3; remove it from one of them`, []string{
			"hosts.d/a.yml", "hosts:\n  - name: h1\n    mac_addresses: [525400000001, 525400000002]\n",
			"hosts.d/b.yml", "hosts: [{name: h2, mac_addresses: [525400000002]}]"}},
		"every file is told": {`hosts.d/a.yml: is empty; see the reference file for what it needs
hosts.d/b.yml: no hosts; add hosts ("hosts: []" for none)
hosts.d/c.yml:1:1: the file must be keys with values, not a list
hosts.d/d.yml: no hosts; add hosts ("hosts: []" for none)
hosts.d/d.yml:1:1: unknown key "server" in the file; want hosts
hosts.d/e.yml: is a directory; name the file in it
hosts.d/f.yml: does not exist; write it, or name another one with -c
hosts.d/g.yml:2:1: not YAML: did not find expected node content, while parsing a flow node (line 2); check the indentation and the quotes
hosts.d/h.yml:1:9: hosts[] must be keys with values, not text`, []string{
			"hosts.d/a.yml", "", "hosts.d/b.yml", "{}", "hosts.d/c.yml", "[]", "hosts.d/d.yml", "server: {}",
			"hosts.d/e.yml/x", "", "hosts.d/f.yml", "LINK", "hosts.d/g.yml", "hosts: [\n", "hosts.d/h.yml", "hosts: [a]"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, append([]string{"c.yml", main}, tt.files...)...)
			dangling := filepath.Join(filepath.Dir(path), "hosts.d/f.yml")
			if err := os.Remove(dangling); err == nil {
				if err := os.Symlink("nowhere", dangling); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(tt.want, toldOf(t, path)); d != "" {
				t.Error(d)
			}
		})
	}
}

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Sandbox is this machine once more: its files are there and can be changed,
// and no change is there afterwards or elsewhere. It is as if nobody had used
// our program on it yet.
type Sandbox struct {
	root     string // seen from outside
	checkout string // the source tree, in it
}

// NewSandbox makes a sandbox for a test.
func NewSandbox(t testing.TB) *Sandbox {
	t.Helper()
	NeedNamespaces(t)
	dir := filepath.Join(Dir(t), "sandbox")
	Mount(t, "tmpfs", dir, "mode=755")
	s := &Sandbox{root: filepath.Join(dir, "root"), checkout: goEnv(t, "GOMOD")}
	s.checkout = filepath.Dir(s.checkout)
	if err := s.mount(goEnv(t, "GOCACHE")); err != nil {
		t.Fatalf("sandbox: %v", err)
	}
	for _, used := range []string{"/etc/pxe-pilot", "/var/lib/pxe-pilot", "/var/tftp", "/usr/local/bin/pxe-pilot", s.checkout + "/pxe-pilot"} {
		if err := os.RemoveAll(s.Path(used)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Path is where a file of the sandbox is, seen from outside.
func (s *Sandbox) Path(inside string) string { return filepath.Join(s.root, inside) }

// Install puts the program where it is in the PATH.
func (s *Sandbox) Install(t testing.TB) {
	t.Helper()
	to := s.Path("/usr/local/bin/pxe-pilot")
	Write(t, to, Read(t, Program()))
	if err := os.Chmod(to, 0o755); err != nil {
		t.Fatal(err)
	}
}

// mount puts the sandbox together: whatever is changed goes to the tmpfs that it
// is on, except that what Go compiled is kept for the next time. All of it goes
// with that tmpfs.
func (s *Sandbox) mount(cache string) error {
	if err := s.overlay("/"); err != nil {
		return err
	}
	points, err := mountPoints()
	if err != nil {
		return err
	}
	for _, p := range points {
		if err := s.bind(p, true); err != nil {
			return err
		}
	}
	for _, p := range []string{"/tmp", "/run", "/srv"} {
		if err := os.MkdirAll(s.Path(p), 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", s.Path(p), "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := errors.Join(os.Chmod(s.Path("/tmp"), os.ModeSticky|0o777), os.MkdirAll(cache, 0o755)); err != nil {
		return err
	}
	return errors.Join(s.overlay(s.checkout), s.bind("/dev", false), s.bind(cache, false))
}

// overlay shows a directory that can be changed without changing the one below.
func (s *Sandbox) overlay(dir string) error {
	changes := filepath.Join(filepath.Dir(s.root), "changes", strings.ReplaceAll(dir, "/", "_"))
	upper, work := changes+".upper", changes+".work"
	for _, d := range []string{upper, work, s.Path(dir)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
	if err := unix.Mount("overlay", s.Path(dir), "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay of %s: %w", dir, err)
	}
	return nil
}

// bind shows a directory, or a file, as it is outside.
func (s *Sandbox) bind(p string, readOnly bool) error {
	to := s.Path(p)
	info, err := os.Stat(p)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	} else if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(p, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", to, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

// mountPoints lists what an overlay of "/" does not show, except for what a
// sandbox has of its own.
func mountPoints() ([]string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo") // proc_pid_mountinfo(5)
	if err != nil {
		return nil, err
	}
	var points []string
	for line := range strings.Lines(string(info)) {
		p := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(strings.Fields(line)[4])
		own := slices.ContainsFunc([]string{"/proc", "/sys", "/dev", "/run", "/tmp", "/srv", os.Getenv(dirVariable)}, func(d string) bool {
			return p == d || strings.HasPrefix(p, d+"/")
		})
		if _, err := os.Stat(p); p != "/" && !own && err == nil && !slices.Contains(points, p) {
			points = append(points, p)
		}
	}
	return points, nil
}

// Command is a program in the sandbox, with processes of its own and the
// surroundings that a person has after logging in as root.
func (s *Sandbox) Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = s.checkout
	cmd.Env = []string{
		"HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + filepath.Join(goEnv(t, "GOROOT"), "bin"),
		"GOPROXY=off", // what is needed is there: these tests were compiled
	}
	for _, v := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS"} {
		cmd.Env = append(cmd.Env, v+"="+goEnv(t, v))
	}
	cmd.SysProcAttr = &unix.SysProcAttr{Chroot: s.root, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	return cmd
}

func goEnv(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

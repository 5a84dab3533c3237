package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Environment variables by which the process that runs the tests knows where it
// is.
const (
	dirVariable     = "PXE_PILOT_LAB"         // the directory of the run
	missingVariable = "PXE_PILOT_LAB_MISSING" // why it has no namespaces; empty where it has
)

// Main is TestMain of a package whose tests run in the lab; it does not return.
func Main(m *testing.M) {
	if os.Getenv(dirVariable) == "" {
		os.Exit(enter())
	}
	if err := settle(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// NeedNamespaces skips the test, or fails it in CI, unless it has a network,
// processes and mounts of its own, and so may have ports below 1024 and mount.
func NeedNamespaces(t testing.TB) {
	t.Helper()
	if why := os.Getenv(missingVariable); why != "" {
		testenv.Lack(t, "needs namespaces of its own: "+why)
	}
}

// enter runs this program anew, in namespaces where that is allowed, and returns
// its exit status.
func enter() int {
	dir, remove, err := makeDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	// The death of the thread that started a process is that of its parent
	// (PR_SET_PDEATHSIG of prctl(2)).
	runtime.LockOSThread()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)

	cmd := again(dir)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC
	if err = cmd.Start(); errors.Is(err, syscall.EPERM) {
		cmd = again(dir)
		cmd.Env = append(cmd.Env, missingVariable+"="+syscall.EPERM.Error()+"; run it as root")
		err = cmd.Start()
	}
	if err == nil {
		go func() {
			for s := range signals {
				_ = cmd.Process.Signal(s)
			}
		}()
		err = cmd.Wait()
	}
	if err = errors.Join(err, remove()); err == nil {
		return 0
	}
	var exit *exec.ExitError // what failed has been said by the tests
	if !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "lab:", err)
	}
	return 1
}

func again(dir string) *exec.Cmd {
	return &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        os.Args,
		Env:         append(os.Environ(), dirVariable+"="+dir, "TMPDIR="+dir, keptVariable+"="+os.TempDir()),
		Stdin:       os.Stdin,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
}

// settle makes the namespaces fit to live in, and builds the program.
func settle() error {
	if os.Getenv(missingVariable) == "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("mounts of one's own: %w", err)
		}
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("/proc of one's own: %w", err)
		}
		if err := connect(); err != nil {
			return fmt.Errorf("network of one's own: %w", err)
		}
	}
	return build(os.Getenv(dirVariable))
}

// connect sets the loopback interface up. It gets one more address, because
// tftpd-hpa resolves the address that it is to listen on with AI_ADDRCONFIG,
// which finds none on machines that have but loopback addresses.
func connect() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	return netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 99, 0, 1), Mask: net.CIDRMask(32, 32)}})
}

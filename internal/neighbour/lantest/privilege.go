package lantest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Privilege is what a program may do.
type Privilege int

// The privileges.
const (
	Root    Privilege = iota
	RawOnly           // nobody, with CAP_NET_RAW
	None              // nobody
)

func (p Privilege) String() string {
	return [...]string{"root", "CAP_NET_RAW alone", "no privilege"}[p]
}

const nobody = 65534

// DoAs is Do with some privilege.
func (l *LAN) DoAs(p Privilege, f func()) {
	l.tb.Helper()
	var err error
	l.Do(func() {
		if err = p.take(); err == nil {
			f()
		}
	})
	if err != nil {
		l.tb.Fatalf("%s: %v", p, err)
	}
}

// take changes who the calling thread is, and no other one.
func (p Privilege) take() error {
	if p == Root {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	// syscall.Setresuid is for all threads.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
		return errno
	}
	var caps [2]unix.CapUserData
	if p == RawOnly {
		caps[0].Effective = 1 << unix.CAP_NET_RAW
		caps[0].Permitted = 1 << unix.CAP_NET_RAW
	}
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0])
}

// Run runs a program in the near namespace and returns what it wrote to stdout.
func (l *LAN) Run(p Privilege, env []string, program string, args ...string) (string, error) {
	l.tb.Helper()
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(l.tb.Context(), program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", append(os.Environ(), env...), &out, &complaints
	if p != Root {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if p == RawOnly {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_RAW}
	}
	var err error
	l.Do(func() { err = cmd.Run() })
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", program, err, complaints.String())
	}
	return out.String(), err
}

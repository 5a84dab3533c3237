package app

import (
	"crypto/rand"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// bootID is what the kernel calls this boot (random(4)).
const bootID = "/proc/sys/kernel/random/boot_id"

// bootVariable has it where the service's view of /proc ends at processes
// (ProcSubset=pid in systemd.exec(5)), from the unit's specifier %b.
const bootVariable = "PXE_PILOT_BOOT_ID"

// bootClock tells moments by the time since this machine was booted, which goes on
// while it is suspended and which nobody sets. Where nobody says which boot it is,
// that time counts for this server only: what outlives it goes by the wall clock.
func bootClock(env func(string) string) func() pxepilot.Moment {
	text, err := os.ReadFile(bootID)
	if err != nil && env != nil {
		text = []byte(env(bootVariable))
	}
	boot := strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "") // as systemd writes it
	if boot == "" {
		boot = "server " + rand.Text()
	}
	return func() pxepilot.Moment {
		return pxepilot.Moment{Boot: boot, Since: sinceBoot(), Wall: time.Now().Round(0)} // without the reading of another clock
	}
}

func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("clock_gettime(CLOCK_BOOTTIME): " + err.Error()) // every kernel since Linux 2.6.39 has it
	}
	return time.Duration(t.Nano())
}

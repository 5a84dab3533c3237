package bench

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/internal/power"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// room is how many BMCs a machine room has.
const room = 200

// BenchmarkPowerStatus asks all BMCs of a room whether their machines are on, by
// sessions of their own and by sessions that are kept, in turn with one ipmipower
// over the same list.
func BenchmarkPowerStatus(b *testing.B) {
	testenv.Need(b, "ipmipower")
	at := startSims(b, room)
	fresh, kept := newFleet(b, at, 0), newFleet(b, at, power.DefaultIdle)
	// From then on they know which cipher suite to open sessions by, as ipmipower
	// is told, and have the sessions that are to be kept.
	fresh.ask(never)
	kept.ask(never)
	var opened, stayed, theirs []time.Duration
	for b.Loop() {
		theirs = append(theirs, ipmipower(b, at))
		_, over := fresh.ask(never)
		opened = append(opened, over)
		_, over = kept.ask(never)
		stayed = append(stayed, over)
	}
	b.ReportMetric(ms(median(opened)), "ms/fresh")
	b.ReportMetric(ms(median(stayed)), "ms/kept")
	b.ReportMetric(ms(median(theirs)), "ms/ipmipower")
	b.ReportMetric(ms(median(opened))/ms(median(theirs)), "fresh/ipmipower")
	b.ReportMetric(ms(median(stayed))/ms(median(theirs)), "kept/ipmipower")
}

// ipmipower asks the same by FreeIPMI's program, the fastest that there is for
// many BMCs.
func ipmipower(b *testing.B, at []netip.AddrPort) time.Duration {
	b.Helper()
	names := make([]string, len(at))
	for i, a := range at {
		names[i] = a.Addr().String()
	}
	began := time.Now()
	out, err := exec.Command("ipmipower", "-D", "LAN_2_0", "-I", "3", "-W", "opensesspriv",
		"-h", strings.Join(names, ","), "-u", bmcUser, "-p", bmcPassword, "--stat").CombinedOutput()
	took := time.Since(began)
	if n := strings.Count(string(out), ": off\n"); err != nil || n != len(at) {
		b.Fatalf("ipmipower: %v, %d of %d answered:\n%s", err, n, len(at), out)
	}
	return took
}

// BenchmarkPowerMany asks many BMCs that run in this process as well.
func BenchmarkPowerMany(b *testing.B) {
	at := startFakes(b, 1000, never)
	fresh, kept := newFleet(b, at, 0), newFleet(b, at, power.DefaultIdle)
	fresh.ask(never)
	kept.ask(never)
	var opened, stayed []time.Duration
	for b.Loop() {
		_, over := fresh.ask(never)
		opened = append(opened, over)
		_, over = kept.ask(never)
		stayed = append(stayed, over)
	}
	b.ReportMetric(ms(median(opened)), "ms/fresh")
	b.ReportMetric(ms(median(stayed)), "ms/kept")
}

// BenchmarkPowerSilent asks a room in which every tenth BMC is silent: for the
// first time, and again by sessions that were kept, once it is known which.
func BenchmarkPowerSilent(b *testing.B) {
	at := startSims(b, room)
	quiet := startFakes(b, room, tenth)
	for i := range at {
		if tenth(i) {
			at[i] = quiet[i]
		}
	}
	var firstHeard, firstOver, againHeard, againOver []time.Duration
	for b.Loop() {
		f := newFleet(b, at, power.DefaultIdle)
		heard, over := f.ask(tenth)
		firstHeard, firstOver = append(firstHeard, heard), append(firstOver, over)
		heard, over = f.ask(tenth)
		againHeard, againOver = append(againHeard, heard), append(againOver, over)
		f.Close()
	}
	b.ReportMetric(ms(median(firstHeard)), "ms/first-heard")
	b.ReportMetric(ms(median(firstOver)), "ms/first-over")
	b.ReportMetric(ms(median(againHeard)), "ms/again-heard")
	b.ReportMetric(ms(median(againOver)), "ms/again-over")
}

// withPower is a site whose hosts have BMCs at the addresses.
func withPower(b *testing.B, at []netip.AddrPort) *site {
	return newSite(b, fileSystems["disk"], len(at), func(i int) string {
		return fmt.Sprintf("      hostname: \"%s\"\n      port: %d\n      username: \"%s\"\n      password: \"%s\"\n",
			at[i].Addr(), at[i].Port(), bmcUser, bmcPassword)
	})
}

// powers lists all hosts and returns how many are off, which all are whose BMCs
// answered.
func (s *site) powers() (took time.Duration, off int) {
	s.b.Helper()
	var body strings.Builder
	took = s.get("/v1/hosts", &body)
	return took, strings.Count(body.String(), `"powerState":"Off"`)
}

// BenchmarkPowerList lists the hosts of a room of whose BMCs every tenth is silent
// and all were asked a while ago, in turn with the same room without BMCs: over HTTP, and by the whole
// process of "host list".
func BenchmarkPowerList(b *testing.B) {
	with := withPower(b, startFakes(b, room, tenth))
	without := newSite(b, fileSystems["disk"], room, nil)
	for _, s := range []*site{with, without} {
		s.start()
		s.powers()
		s.settle()
	}
	// Lists do not wait until it is known who is silent, which takes two seconds.
	for known := 0; known < room/10; {
		<-time.After(100 * time.Millisecond)
		var body strings.Builder
		with.get("/v1/hosts", &body)
		known = strings.Count(body.String(), `"powerProblem":`)
	}
	// One takes less than what else goes on here takes away, hence rounds.
	compare := func(name string, rounds int, list func(s *site, off int) time.Duration) {
		b.Run(name, func(b *testing.B) {
			var ours, bare []time.Duration
			for b.Loop() {
				for range rounds {
					ours = append(ours, list(with, room-room/10))
					bare = append(bare, list(without, 0))
				}
			}
			b.ReportMetric(ms(median(ours)), "ms/with")
			b.ReportMetric(ms(median(bare)), "ms/without")
			b.ReportMetric(ms(median(ours))/ms(median(bare)), "with/without")
		})
	}
	compare("http", 100, func(s *site, want int) time.Duration {
		took, off := s.powers()
		if off != want {
			b.Fatalf("%d of %d machines are off", off, want)
		}
		return took
	})
	compare("command", 5, func(s *site, want int) time.Duration {
		began := time.Now()
		out, err := exec.Command(binary, "-s", s.url, "host", "list").CombinedOutput()
		took := time.Since(began)
		if off := strings.Count(string(out), "| Off "); err != nil || off != want {
			b.Fatalf("%v, %d of %d machines are off:\n%s", err, off, want, out)
		}
		return took
	})
}

// BenchmarkPowerListCold starts the server and lists a room of whose power nothing
// is known yet: where all BMCs answer, and where every tenth is silent.
func BenchmarkPowerListCold(b *testing.B) {
	for _, r := range []struct {
		name   string
		silent func(i int) bool
		off    int
	}{{"answering", never, room}, {"silent", tenth, room - room/10}} {
		b.Run(r.name, func(b *testing.B) {
			s := withPower(b, startFakes(b, room, r.silent))
			var took []time.Duration
			for b.Loop() {
				s.start()
				d, off := s.powers()
				if off != r.off {
					b.Fatalf("%d of %d machines are off", off, r.off)
				}
				took = append(took, d)
				s.stop()
			}
			b.ReportMetric(ms(median(took)), "ms/list")
		})
	}
}

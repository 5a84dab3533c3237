package bench

import (
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// BenchmarkSweepDense sweeps a /16 in which every address answers, as fast as it
// goes.
func BenchmarkSweepDense(b *testing.B) {
	l := newLAN(b)
	l.Wire("10.9.0.1/16").Fill("10.9.0.0/16", "10.9.0.1")
	var took []time.Duration
	missed := 0
	for b.Loop() {
		d, found := ourSweep(b, l, "10.9.0.0/16", 0)
		took = append(took, d)
		missed += 1<<16 - 3 - found
	}
	b.ReportMetric(ms(median(took)), "ms/sweep")
	b.ReportMetric(float64(missed), "missed")
}

// BenchmarkSweepPeers sweeps a /20 in turn with the programs that people use for
// that, where they are there: one in which every address answers, and one with
// eight machines.
func BenchmarkSweepPeers(b *testing.B) {
	const subnet, interfaceName = "10.9.0.0/20", "near0"
	for _, site := range []struct {
		name     string
		machines int
		fill     func(*lantest.Wire)
	}{
		{"dense", 1<<12 - 3, func(w *lantest.Wire) { w.Fill(subnet, "10.9.0.1") }},
		{"sparse", 8, func(w *lantest.Wire) {
			for i := range 8 {
				w.Machine(pxepilot.MAC{2, 9, 0, 0, 0, byte(i)}, netip.AddrFrom4([4]byte{10, 9, byte(2 * i), 9}).String())
			}
		}},
	} {
		b.Run(site.name, func(b *testing.B) {
			l := newLAN(b)
			site.fill(l.Wire("10.9.0.1/20"))
			ways := []struct {
				name  string
				sweep func() (time.Duration, int)
			}{
				{"ours-unpaced", func() (time.Duration, int) { return ourSweep(b, l, subnet, 0) }},
				{"ours", func() (time.Duration, int) { return ourSweep(b, l, subnet, neighbour.DefaultRate) }},
			}
			// Both want to be told the interface, and to ask no name server.
			for _, peer := range []struct{ name, command, found string }{
				{"arp-scan", "arp-scan --interface=" + interfaceName + " --numeric " + subnet, `(?m)^(10\.9\.\S+)\t`},
				{"arp-scan-unlimited", "arp-scan --interface=" + interfaceName + " --numeric --bandwidth=1000000000 " + subnet, `(?m)^(10\.9\.\S+)\t`},
				{"nmap", "nmap -sn -PR -n -oG - -e " + interfaceName + " " + subnet, `Host: (\S+) .*Status: Up`},
			} {
				argv := strings.Fields(peer.command)
				if _, err := exec.LookPath(argv[0]); err != nil {
					b.Logf("%s is not there to compare with", argv[0])
					continue
				}
				ways = append(ways, struct {
					name  string
					sweep func() (time.Duration, int)
				}{peer.name, func() (time.Duration, int) {
					began := time.Now()
					out, err := l.Run(lantest.Root, nil, argv[0], argv[1:]...)
					check(b, err)
					took := time.Since(began)
					n := 0
					for _, found := range regexp.MustCompile(peer.found).FindAllStringSubmatch(out, -1) {
						// The far kernel answers for the first and the last address
						// too, which are no machines.
						if a := found[1]; a != "10.9.0.0" && a != "10.9.15.255" && a != "10.9.0.1" {
							n++
						}
					}
					return took, n
				}})
			}
			took := make([][]time.Duration, len(ways))
			missed := make([]int, len(ways))
			for b.Loop() {
				for i, way := range ways {
					// Whoever takes that long does so by its own clock, and every time.
					if len(took[i]) >= 3 && took[i][0] > 5*time.Second {
						continue
					}
					d, found := way.sweep()
					took[i] = append(took[i], d)
					missed[i] += site.machines - found
				}
			}
			for i, way := range ways {
				b.ReportMetric(ms(median(took[i])), "ms/"+way.name)
				b.ReportMetric(float64(missed[i])/float64(len(took[i])), "missed/"+way.name)
			}
		})
	}
}

func newLAN(b *testing.B) *lantest.LAN {
	b.Helper()
	testenv.NeedRoot(b)
	testenv.Need(b, "ip")
	return lantest.New(b)
}

// ourSweep sweeps a subnet for a MAC that is not there, so that nothing stops it
// early, and counts who answered.
func ourSweep(b *testing.B, l *lantest.LAN, subnet string, rate int) (time.Duration, int) {
	b.Helper()
	r := neighbour.Request{
		Subnets: []netip.Prefix{netip.MustParsePrefix(subnet)},
		Wanted:  []pxepilot.MAC{{2, 0, 0, 0, 0, 1}},
		Rate:    rate,
	}
	var reports []neighbour.SubnetReport
	var err error
	began := time.Now()
	l.Do(func() { reports, err = neighbour.Sweep(b.Context(), r) })
	took := time.Since(began)
	check(b, err)
	check(b, reports[0].Err)
	return took, reports[0].Answered
}

package cli_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/cli/clitest"
)

// A fakeBMC drives the power of a host of a fakeSite.
type fakeBMC struct {
	state   string
	address string
	problem string // it fails at everything
	blind   bool   // nobody can say what came of what it was told
}

// act is the rules of the server's power in short.
func (b *fakeBMC) act(host, action string) string {
	if b == nil {
		return undriven(host)
	}
	if b.problem != "" {
		return b.problem
	}
	b.state = "On"
	if action == "off" {
		b.state = "Off"
	}
	return ""
}

func undriven(host string) string {
	return fmt.Sprintf("nothing drives the power of host %q: give it ipmi, redfish, management or wol in the configuration file", host)
}

// newFakeRack is the site of clitest.Rack.
func newFakeRack() *fakeSite {
	s := newFakeSite()
	s.hosts, s.bmcs = nil, map[string]*fakeBMC{}
	for n := 1; n <= clitest.RackSize; n++ {
		h := apiv1.Host{Name: fmt.Sprintf("r%02d", n), MACAddresses: []string{fmt.Sprintf("00:00:00:00:01:%02x", n)}}
		if n < clitest.RackSize {
			b := &fakeBMC{state: "On", address: fmt.Sprintf("127.0.0.%d", n)}
			if n > 10 {
				b.state = "Off"
			}
			if n == clitest.RackSize-1 {
				b.problem = fmt.Sprintf("host %s: BMC %s: no answer; is it up, and its address right?", h.Name, b.address)
			}
			h.IPMI, s.bmcs[h.Name] = &apiv1.IPMI{Hostname: b.address}, b
		}
		s.boot(&h, "local")
		s.hosts = append(s.hosts, h)
	}
	return s
}

// withPower is a host with what its BMC says.
func (s *fakeSite) withPower(h apiv1.Host) apiv1.Host {
	if b := s.bmcs[h.Name]; b != nil {
		h.PowerState, h.PowerStateAt, h.PowerProblem = b.state, "2026-11-22T14:25:00Z", b.problem
		if b.problem != "" {
			h.PowerState = "Unknown"
		}
	}
	return h
}

// rebootAll reboots those of a change that were to be, and tells each outcome.
func (s *fakeSite) rebootAll(refs []apiv1.HostRef, out *apiv1.Outcome) {
	for i := range out.Hosts {
		h := &out.Hosts[i]
		if !refs[i].Reboot || h.Refused != "" {
			continue
		}
		h.Rebooted = "YES"
		switch {
		case out.Problem != "":
			h.Problem = fmt.Sprintf("host %q was not rebooted, for deploy.after_switch failed", h.Name)
		case h.Served == "NO":
			h.Problem = fmt.Sprintf("host %q was not rebooted, for it would not boot what was deployed: %s", h.Name, h.Unserved)
		default:
			h.Problem = s.bmcs[h.Name].act(h.Name, "reboot")
		}
		if h.Problem != "" {
			h.Rebooted = "ERROR"
		}
	}
}

// atOnce says what is against so many reboots.
func atOnce(c apiv1.Change) string {
	n := 0
	for _, ref := range c.Hosts {
		if ref.Reboot {
			n++
		}
	}
	if n > 16 && !c.AllAtOnce {
		return fmt.Sprintf("%d reboots in one request are more than 16", n)
	}
	return ""
}

func (s *fakeSite) handlePower(mux *http.ServeMux, checked func(string, http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET /v1/hosts/{name}/power", checked("host", func(w http.ResponseWriter, r *http.Request) {
		h := s.find(w, r.PathValue("name"))
		switch {
		case h == nil:
		case s.bmcs[h.Name] == nil:
			refuse(w, http.StatusConflict, "%s", undriven(h.Name))
		case s.bmcs[h.Name].problem != "":
			refuse(w, http.StatusConflict, "%s", s.bmcs[h.Name].problem)
		default:
			answer(w, apiv1.Power{Name: h.Name, PowerState: s.bmcs[h.Name].state, Address: s.bmcs[h.Name].address})
		}
	}))
	for _, action := range []string{"on", "off", "reboot", "cycle"} {
		mux.HandleFunc("PATCH /v1/hosts/{name}/"+action, checked("host", func(w http.ResponseWriter, r *http.Request) {
			next := r.URL.Query().Get("next")
			if next != "" && (action == "off" || !strings.Contains(" pxe disk bios ", " "+next+" ")) {
				refuse(w, http.StatusBadRequest, "next: %s", next)
				return
			}
			h := s.find(w, r.PathValue("name"))
			if h == nil {
				return
			}
			if problem := s.bmcs[h.Name].act(h.Name, action); problem != "" {
				refuse(w, http.StatusConflict, "%s", problem)
				return
			}
			s.driven = append(s.driven, strings.TrimRight(h.Name+" "+action+" "+r.URL.RawQuery, " "))
			if s.bmcs[h.Name].blind {
				w.Header().Set("X-Power-Result", "accepted")
			}
			w.WriteHeader(http.StatusNoContent)
		}))
	}
	mux.HandleFunc("PATCH /v1/discovery", func(w http.ResponseWriter, r *http.Request) {
		rate, err := strconv.Atoi(r.URL.Query().Get("rate"))
		if r.URL.Query().Has("rate") && (err != nil || rate < 1) || r.Header.Get("Prefer") != "return=representation" {
			refuse(w, http.StatusBadRequest, "malformed")
			return
		}
		answer(w, s.sweep)
	})
}

// swept is a site whose subnets were swept with all that may come of it.
func swept() *fakeSite {
	s := newFakeSite()
	s.sweep = apiv1.Discovery{Subnets: []apiv1.SubnetSweep{
		{Subnet: "10.0.0.0/24", Method: "arp", Asked: 254, Answered: 3, Seconds: 0.123456, Note: "the kernel's table is full; raise gc_thresh3",
			Missing: []apiv1.MissingBMC{{MACAddress: "00:00:00:00:00:a2", Hosts: []string{"h2", "h4"}}, {MACAddress: "00:00:00:00:00:a9"}},
			Found: []apiv1.FoundBMC{
				{MACAddress: "00:00:00:00:00:a3", Address: "10.0.0.3", Hosts: []string{"h3"}},
				{MACAddress: "00:00:00:00:00:a3", Address: "10.0.0.33", Hosts: []string{"h3"}},
				{MACAddress: "00:00:00:00:00:a1", Address: "10.0.0.1", Hosts: []string{"h1", "h3"}},
			},
			Duplicates: []string{"00:00:00:00:00:a3 answers at 10.0.0.3 and at 10.0.0.33"}},
		{Subnet: "10.1.0.0/16", Method: "arp", Asked: 65534, Found: []apiv1.FoundBMC{}, Missing: []apiv1.MissingBMC{}, Duplicates: []string{}, Seconds: 6.6},
		{Subnet: "10.9.0.0/24", Found: []apiv1.FoundBMC{}, Missing: []apiv1.MissingBMC{{MACAddress: "00:00:00:00:00:a2", Hosts: []string{"h2"}}}, Duplicates: []string{},
			Problem: "subnet 10.9.0.0/24 is not on a link of this machine; give ipmi.hostname in place of ipmi.mac_address"},
	}}
	s.bmcs["h3"] = &fakeBMC{state: "Unknown", blind: true} // as by Wake-on-LAN
	return s
}

// unlucky drives no power: every wave has a host that fails.
func unlucky() *fakeSite {
	s := newFakeRack()
	for name, b := range s.bmcs {
		if name[2]%2 == 0 {
			b.problem = "BMC " + b.address + ": wrong user or password"
		}
	}
	return s
}

// unknown is what the server says of a BMC that was never found.
const unknown = `host h2: BMC 00:00:00:00:00:a2 is not in the subnets 10.0.0.0/24; is its MAC address right?`

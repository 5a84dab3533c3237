package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// What the list says of power and BMC, with status and without.
func TestPowerOfHosts(t *testing.T) {
	type power struct {
		IPMI                    *apiv1.IPMI
		State, At, WhyIsUnknown string
	}
	of := func(h apiv1.Host) power { return power{h.IPMI, h.PowerState, h.PowerStateAt, h.PowerProblem} }
	const at = "2026-11-22T15:04:05Z"
	with := []power{
		{&apiv1.IPMI{Hostname: "bmc-1.example"}, "Off", at, ""},
		{&apiv1.IPMI{MACAddress: "00:00:00:00:00:a2", Hostname: "10.0.0.2"}, "On", at, ""},
		{},
		{nil, "Unknown", at, `host "h4": BMC 10.0.0.4: it does not answer; is it plugged in?`},
		{nil, "Unknown", "", ""},
	}
	without := []power{{IPMI: &apiv1.IPMI{Hostname: "bmc-1.example"}}, {IPMI: &apiv1.IPMI{MACAddress: "00:00:00:00:00:a2", Hostname: "10.0.0.2"}}, {}, {}, {}}
	for _, tt := range []struct {
		query string
		want  []power
		asked int
	}{{"", with, 1}, {"?status=true", with, 1}, {"?status=false", without, 0}} {
		l, _, m, _ := newPowered(t)
		var list []apiv1.Host
		if err := json.Unmarshal(l.ask("GET", "/v1/hosts"+tt.query, "").body, &list); err != nil {
			t.Fatal(err)
		}
		var got []power
		for _, h := range list {
			got = append(got, of(h))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || m.asked != tt.asked {
			t.Errorf("/v1/hosts%s: power was asked for %d times\n%s", tt.query, m.asked, diff)
		}
		for i, h := range list {
			var one apiv1.Host
			if err := json.Unmarshal(l.ask("GET", "/v1/hosts/"+h.Name+tt.query, "").body, &one); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want[i], of(one)); diff != "" {
				t.Errorf("/v1/hosts/%s%s:\n%s", h.Name, tt.query, diff)
			}
		}
	}
}

// The list is encoded anew when the power changes, and only then.
func TestListAfterPower(t *testing.T) {
	l, root, m, _ := newPowered(t)
	a := l.handler.(*api)
	ask := func(target string) string { return string(l.ask("GET", target, "").body) }
	before, bare := ask("/v1/hosts"), ask("/v1/hosts?status=false")
	kept, keptBare := a.hosts.powered.last.Load(), a.hosts.bare.last.Load()
	if ask("/v1/hosts") != before || ask("/v1/hosts?status=false") != bare || a.hosts.powered.last.Load() != kept || a.hosts.bare.last.Load() != keptBare {
		t.Error("encoded anew where nothing changed")
	}
	next := &pxepilot.PowerView{Hosts: map[string]pxepilot.PowerKnowledge{}}
	for _, s := range root.view.Hosts {
		next.Hosts[s.Host.Name] = pxepilot.PowerKnowledge{State: pxepilot.PowerOn}
	}
	m.view = next
	if after := ask("/v1/hosts"); after == before || strings.Count(after, `"powerState":"On"`) != 5 {
		t.Error("the list tells old states")
	}
	if ask("/v1/hosts?status=false") != bare || a.hosts.bare.last.Load() != keptBare {
		t.Error("encoded anew what has no power in it")
	}
	m.at = "10.0.0.77"
	if moved := ask("/v1/hosts?status=false"); !strings.Contains(moved, `"hostname":"10.0.0.77"`) || strings.Contains(moved, "powerState") {
		t.Errorf("not where its BMC was found: %s", moved)
	}
}

func TestDrive(t *testing.T) {
	const nothing = `nothing drives the power of host "h3": give it ipmi, redfish, management or wol in the configuration file`
	const silent = `host "h4": BMC 10.0.0.4: it does not answer; is it plugged in?`
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string // of the body
		done                 []string
	}{
		{"GET", "/v1/hosts/h1/power", "", 200, `{"name":"h1","powerState":"Off","address":"10.0.0.1"}`, nil},
		{"GET", "/v1/hosts/00-00-00-00-00-02/power", "", 200, `{"name":"h2","powerState":"On","address":"10.0.0.2"}`, nil},
		{"GET", "/v1/hosts/h5/power", "", 200, `{"name":"h5","powerState":"Off"}`, nil},
		{"GET", "/v1/hosts/h3/power", "", 409, nothing, nil},
		{"GET", "/v1/hosts/h4/power", "", 409, silent, nil},
		{"PATCH", "/v1/hosts/h1/on", "", 204, "", []string{"h1 on"}},
		{"PATCH", "/v1/hosts/h2/on", "", 204, "", nil},
		{"PATCH", "/v1/hosts/h1/on?next=pxe", "", 204, "", []string{"h1 next pxe", "h1 on"}},
		{"PATCH", "/v1/hosts/000000000001/on", "", 204, "", []string{"h1 on"}},
		{"PATCH", "/v1/hosts/h2/off", "", 204, "", []string{"h2 off"}},
		{"PATCH", "/v1/hosts/h2/off?soft=false", "", 204, "", []string{"h2 off"}},
		{"PATCH", "/v1/hosts/h2/off?soft=true", "", 204, "", []string{"h2 soft-off"}},
		{"PATCH", "/v1/hosts/h1/off", "{}", 204, "", nil},
		{"PATCH", "/v1/hosts/h2/reboot", " \n", 204, "", []string{"h2 reset"}},
		{"PATCH", "/v1/hosts/h1/reboot", " { } ", 204, "", []string{"h1 on"}},
		{"PATCH", "/v1/hosts/h2/reboot?next=disk", "", 204, "", []string{"h2 next disk", "h2 reset"}},
		{"PATCH", "/v1/hosts/h2/cycle?next=bios", "", 204, "", []string{"h2 next bios", "h2 cycle"}},
		{"PATCH", "/v1/hosts/h1/cycle", "", 204, "", []string{"h1 on"}},
		{"PATCH", "/v1/hosts/h3/on", "", 409, nothing, nil},
		{"PATCH", "/v1/hosts/h4/reboot", "", 409, silent, nil},
	} {
		l, root, m, _ := newPowered(t)
		got := l.ask(tt.method, tt.target, tt.body)
		switch {
		case got.StatusCode != tt.status:
			t.Errorf("%s: %d %s", tt.target, got.StatusCode, got.body)
		case tt.status == 200:
			sameJSON(t, tt.target, got.body, tt.want)
		case tt.status == 204:
			if len(got.body) > 0 {
				t.Errorf("%s: a body: %s", tt.target, got.body)
			}
			want := "" // of what was seen to be so
			for _, done := range tt.done {
				if strings.HasSuffix(done, "soft-off") || strings.HasSuffix(done, "reset") || strings.HasSuffix(done, "cycle") {
					want = "accepted"
				}
			}
			if told := got.Header.Get("X-Power-Result"); told != want {
				t.Errorf("%s: X-Power-Result %q, want %q", tt.target, told, want)
			}
		case got.message(t) != tt.want:
			t.Errorf("%s: %s, want %s", tt.target, got.message(t), tt.want)
		}
		if diff := cmp.Diff(tt.done, m.done, cmpopts.EquateEmpty()); diff != "" || root.changes > 0 {
			t.Errorf("%s: %d changes\n%s", tt.target, root.changes, diff)
		}
	}
}

func TestDeployAndReboot(t *testing.T) {
	const deploy = "/v1/configurations/ubuntu-16.04/deploy"
	host := func(name, rebooted, problem string) string {
		s := `{"name":"` + name + `","configuration":"ubuntu-16.04","rebooted":"` + rebooted + `"`
		if problem != "" {
			s += `,"problem":` + problem
		}
		return s + "}"
	}
	const nothing = `"nothing drives the power of host \"h3\": give it ipmi, redfish, management or wol in the configuration file"`
	const silent = `"host \"h4\": BMC 10.0.0.4: it does not answer; is it plugged in?"`
	for _, tt := range []struct {
		name, body string
		headers    []string
		want       string
		done       int
		logged     []string
	}{
		{"one", `{"hosts":[{"name":"h1","reboot":true}]}`, nil, host("h1", "YES", ""), 2, nil},
		{"as preferred", `{"hosts":[{"name":"h2","reboot":true}]}`, []string{"Prefer: return=representation"}, host("h2", "YES", ""), 2, nil},
		{"in the order asked", `{"hosts":[{"name":"h4","reboot":true},{"name":"h3","reboot":true},{"name":"h2","reboot":true},{"mac_address":"000000000001"}],"allAtOnce":true}`, nil,
			host("h4", "ERROR", silent) + "," + host("h3", "ERROR", nothing) + "," + host("h2", "YES", "") + "," + host("h1", "NO", ""), 2,
			[]string{`"host":"h4"`, `"host":"h3"`, "context deadline exceeded"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, root, m, _ := newPowered(t)
			got := l.ask("PUT", deploy, tt.body, tt.headers...)
			if got.StatusCode != http.StatusOK || root.changes != 1 || len(m.done) != tt.done {
				t.Errorf("%d, %d changes, %v", got.StatusCode, root.changes, m.done)
			}
			sameJSON(t, tt.body, got.body, `{"hosts":[`+tt.want+`]}`)
			lines := strings.Count(l.log.String(), "\n")
			if want := 1 + strings.Count(tt.want, "ERROR"); lines != want {
				t.Errorf("%d lines in the log, want %d: %s", lines, want, l.log)
			}
			for _, part := range tt.logged {
				if !strings.Contains(l.log.String(), part) {
					t.Errorf("no %s in the log: %s", part, l.log)
				}
			}
			if n := strings.Count(l.log.String(), `"request_id":"`+got.Header.Get("X-Request-Id")+`"`); n != lines {
				t.Errorf("%d of %d lines have the request's id", n, lines)
			}
		})
	}
	t.Run("dry", func(t *testing.T) {
		l, root, m, _ := newPowered(t)
		got := l.ask("PUT", deploy, `{"hosts":[{"name":"h1","reboot":true}],"dryRun":true}`)
		if got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), `"rebooted":"NO"`) || root.changes > 0 || m.done != nil {
			t.Errorf("%d %s, %v", got.StatusCode, got.body, m.done)
		}
	})
}

func TestDiscover(t *testing.T) {
	const represent = "Prefer: return=representation"
	mac := pxepilot.MAC{5: 0xa2}
	swept := subnet("10.0.0.0/24", func(s *pxepilot.SubnetSweep) {
		s.Method, s.Asked, s.Answered, s.Elapsed = "arp", 254, 3, 1234567*time.Microsecond
		s.Found = []pxepilot.Sighting{{MAC: mac, Address: netip.MustParseAddr("10.0.0.2")}, {MAC: pxepilot.MAC{5: 0xff}, Address: netip.MustParseAddr("10.0.0.9")}}
		s.Missing = []pxepilot.MAC{{5: 0xa3}, mac}
		s.Duplicates = []string{"10.0.0.2 is claimed\nby two"}
		s.Note = "some may be\nlost"
	})
	const sweptJSON = `{"subnet":"10.0.0.0/24","method":"arp","asked":254,"answered":3,"found":[
		{"macAddress":"00:00:00:00:00:a2","address":"10.0.0.2","hosts":["h2","h5"]},{"macAddress":"00:00:00:00:00:ff","address":"10.0.0.9","hosts":[]}],
		"missing":[{"macAddress":"00:00:00:00:00:a3","hosts":[]},{"macAddress":"00:00:00:00:00:a2","hosts":["h2","h5"]}],"duplicates":["10.0.0.2 is claimed by two"],"note":"some may be lost","seconds":1.235}`
	afar := subnet("10.9.0.0/24", func(s *pxepilot.SubnetSweep) { s.Problem = "it is not on-link;\nset ipmi.hostname" })
	const afarJSON = `{"subnet":"10.9.0.0/24","asked":0,"answered":0,"found":[],"missing":[],"duplicates":[],"seconds":0,"problem":"it is not on-link; set ipmi.hostname"}`
	for _, tt := range []struct {
		name, query string
		body        string
		headers     []string
		sweeper     sweeper
		status      int
		want        string
		rate        int
	}{
		{"swept", "", "", nil, sweeper{subnets: []pxepilot.SubnetSweep{swept}}, 204, "", 0},
		{"told", "", "", []string{represent}, sweeper{subnets: []pxepilot.SubnetSweep{swept}}, 200, `{"subnets":[` + sweptJSON + `]}`, 0},
		{"slowly", "?rate=100", "{}", []string{represent}, sweeper{}, 200, `{"subnets":[]}`, 100},
		{"fast", "?rate=1000000", "", nil, sweeper{}, 204, "", 1_000_000},
		{"not all", "", "", nil, sweeper{subnets: []pxepilot.SubnetSweep{swept, afar}}, 409, `{"message":"10.9.0.0/24: it is not on-link; set ipmi.hostname"}`, 0},
		{"not all, told", "", "", []string{represent}, sweeper{subnets: []pxepilot.SubnetSweep{swept, afar}}, 200, `{"subnets":[` + sweptJSON + "," + afarJSON + `]}`, 0},
		{"none", "", "", []string{represent}, sweeper{fails: pxepilot.Errorf(pxepilot.Invalid, "too many addresses")}, 409, `{"message":"too many addresses"}`, 0},
	} {
		for _, path := range []string{"/v1/discovery", "/v1/refresh"} {
			l, _, _, s := newPowered(t)
			*s = tt.sweeper
			got := l.ask("PATCH", path+tt.query, tt.body, tt.headers...)
			if got.StatusCode != tt.status || s.rate != tt.rate {
				t.Errorf("%s: %d at rate %d", tt.name, got.StatusCode, s.rate)
			}
			if tt.want == "" && len(got.body) > 0 {
				t.Errorf("%s: a body: %s", tt.name, got.body)
			}
			if tt.want != "" {
				sameJSON(t, tt.name, got.body, tt.want)
			}
			if applied := got.Header.Get("Preference-Applied"); (applied == "return=representation") != (tt.status == 200) {
				t.Errorf("%s: Preference-Applied %q", tt.name, applied)
			}
			sameJSON(t, tt.name, l.ask("GET", "/v1/discovery", "").body, `{"running":false,"asked":100,"of":254,"found":1,"wanted":3}`)
		}
	}
}

func TestDiscoveryUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _, s := newPowered(t)
		sameJSON(t, "before", l.ask("GET", "/v1/discovery", "").body, `{"running":false,"asked":0,"of":0,"found":0,"wanted":0}`)
		enough, ended := make(chan struct{}), make(chan answer)
		s.sweep = func(context.Context) { <-enough }
		go func() { ended <- l.ask("PATCH", "/v1/discovery", "") }()
		synctest.Wait()
		sameJSON(t, "meanwhile", l.ask("GET", "/v1/discovery", "").body, `{"running":true,"asked":100,"of":254,"found":1,"wanted":3}`)
		busy := l.ask("PATCH", "/v1/refresh", "", "Prefer: return=representation")
		if want := "the subnets are being swept already, with 100 of 254 addresses asked; wait until that is done"; busy.StatusCode != 409 || busy.message(t) != want {
			t.Errorf("%d %s", busy.StatusCode, busy.body)
		}
		close(enough)
		if got := <-ended; got.StatusCode != 204 {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	})
}

// Bad input gets one clear line, and nothing is done to any machine or link.
func TestBadPower(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"name":"h1","reboot":true},`, 17), ",")
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"unknown host", "GET", "/v1/hosts/h9/power", "", 404, `host "h9" not found; did you mean h1 or h2 or h3?`},
		{"unknown host to turn on", "PATCH", "/v1/hosts/h9/on", "", 404, `host "h9" not found`},
		{"unknown host to turn off", "PATCH", "/v1/hosts/h9/off", "", 404, `host "h9" not found`},
		{"unknown host to reboot", "PATCH", "/v1/hosts/h9/reboot", "", 404, `host "h9" not found`},
		{"unknown host to cycle", "PATCH", "/v1/hosts/h9/cycle", "", 404, `host "h9" not found`},
		{"slash", "PATCH", "/v1/hosts/a%2Fh1/off", "", 400, `host: the name "a/h1" contains a slash`},
		{"dots", "PATCH", "/v1/hosts/%2e%2e/off", "", 400, `the name ".." is a directory's`},
		{"control characters", "PATCH", "/v1/hosts/h1%1b/off", "", 400, `contains a control character`},
		{"long name", "GET", "/v1/hosts/" + strings.Repeat("n", 10_000) + "/power", "", 400, "is longer than 255 bytes"},
		{"unknown action", "PATCH", "/v1/hosts/h1/restart", "", 404, `there is no "/v1/hosts/h1/restart"`},
		{"action as GET", "GET", "/v1/hosts/h1/off", "", 405, "it takes OPTIONS, PATCH"},
		{"action as POST", "POST", "/v1/hosts/h1/off", "", 405, "it takes OPTIONS, PATCH"},
		{"next of another kind", "PATCH", "/v1/hosts/h1/on?next=cd", "", 400, `what to boot from next is "cd"; want pxe, disk or bios`},
		{"next in another case", "PATCH", "/v1/hosts/h1/reboot?next=PXE", "", 400, `what to boot from next is "PXE"`},
		{"next with control characters", "PATCH", "/v1/hosts/h1/cycle?next=%1b", "", 400, `what to boot from next is "\x1b"`},
		{"next of nothing", "PATCH", "/v1/hosts/h1/on?next=", "", 400, "the query parameter next is empty; want pxe, disk or bios, or leave it out"},
		{"next twice", "PATCH", "/v1/hosts/h1/on?next=pxe&next=disk", "", 400, `the query parameter "next" stands twice`},
		{"next of off", "PATCH", "/v1/hosts/h1/off?next=pxe", "", 400, `unknown query parameter "next"; known here: soft`},
		{"soft of another kind", "PATCH", "/v1/hosts/h1/off?soft=yes", "", 400, `the query parameter soft is "yes"; want true or false`},
		{"soft of nothing", "PATCH", "/v1/hosts/h1/off?soft", "", 400, `the query parameter soft is ""; want true or false`},
		{"soft of reboot", "PATCH", "/v1/hosts/h1/reboot?soft=true", "", 400, `unknown query parameter "soft"; known here: next`},
		{"query of power", "GET", "/v1/hosts/h1/power?status=false", "", 400, `unknown query parameter "status"; none is known here`},
		{"status of one host", "GET", "/v1/hosts/h1?status=no", "", 400, `the query parameter status is "no"; want true or false`},
		{"a body", "PATCH", "/v1/hosts/h2/off", `{"soft":true}`, 400, `line 1, column 2: unknown field "soft"; none is known here`},
		{"a body that is no object", "PATCH", "/v1/hosts/h2/off", `[]`, 400, "the body is an array; want an object"},
		{"a form", "PATCH", "/v1/hosts/h2/reboot", `next=pxe`, 400, "the body is not JSON"},
		{"half a body", "PATCH", "/v1/hosts/h2/reboot", `{`, 400, "the body is not JSON"},
		{"a large body", "PATCH", "/v1/hosts/h2/reboot", strings.Repeat(" ", maxBody+1), 413, "the body is larger than 8 MiB"},
		{"a body of a sweep", "PATCH", "/v1/discovery", `{"rate":5}`, 400, `unknown field "rate"; none is known here`},
		{"rate of nothing", "PATCH", "/v1/discovery?rate=", "", 400, `the query parameter rate is ""; want a number of packets a second, 1 to 1000000`},
		{"rate of zero", "PATCH", "/v1/discovery?rate=0", "", 400, `rate is "0"`},
		{"negative rate", "PATCH", "/v1/refresh?rate=-5", "", 400, `rate is "-5"`},
		{"rate with a sign", "PATCH", "/v1/refresh?rate=%2B5", "", 400, `rate is "+5"`},
		{"rate too fast", "PATCH", "/v1/discovery?rate=1000001", "", 400, `rate is "1000001"`},
		{"rate beyond numbers", "PATCH", "/v1/discovery?rate=99999999999999999999", "", 400, `rate is "99999999999999999999"`},
		{"rate in words", "PATCH", "/v1/discovery?rate=fast", "", 400, `rate is "fast"`},
		{"rate with a fraction", "PATCH", "/v1/discovery?rate=1e3", "", 400, `rate is "1e3"`},
		{"unknown parameter of a sweep", "PATCH", "/v1/discovery?rat=5", "", 400, `unknown query parameter "rat"; did you mean rate?`},
		{"rate of the progress", "GET", "/v1/discovery?rate=5", "", 400, `unknown query parameter "rate"; none is known here`},
		{"progress of the alias", "GET", "/v1/refresh", "", 405, "it takes OPTIONS, PATCH"},
		{"sweep by PUT", "PUT", "/v1/discovery", "", 405, "it takes GET, HEAD, OPTIONS, PATCH"},
		{"reboot as a string", "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1","reboot":"true"}]}`, 400, "hosts[0].reboot is a string; want true or false"},
		{"reboot twice", "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1","reboot":true,"reboot":true}]}`, 400, `the field "reboot" of hosts[0] stands twice`},
		{"reboot of a host named twice", "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1"},{"name":"h1","reboot":true}]}`, 409, "is named twice"},
		{"reboots of a host named often", "PUT", "/v1/configurations/local/deploy", `{"hosts":[` + many + `]}`, 409, "is named twice"},
		{"reboot into what is unknown", "PUT", "/v1/configurations/lokal/deploy", `{"hosts":[{"name":"h1","reboot":true}]}`, 404, `configuration "lokal" not found`},
		{"allAtOnce as a string", "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1","reboot":true}],"allAtOnce":"yes"}`, 400, "allAtOnce is a string; want true or false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, root, m, s := newPowered(t)
			got := l.ask(tt.method, tt.target, tt.body)
			if got.StatusCode != tt.status || !strings.Contains(got.message(t), tt.want) {
				t.Errorf("%d %q, want %d %q", got.StatusCode, got.message(t), tt.status, tt.want)
			}
			if root.changes > 0 || m.done != nil || s.calls > 0 {
				t.Errorf("%d changes, %v, %d sweeps", root.changes, m.done, s.calls)
			}
		})
	}
}

// Web pages drive no machines.
func TestBrowsersDriveNothing(t *testing.T) {
	l, root, m, s := newPowered(t)
	for _, target := range []string{"/v1/hosts/h1/on", "/v1/hosts/h2/off", "/v1/hosts/h2/reboot", "/v1/hosts/h2/cycle", "/v1/discovery", "/v1/refresh"} {
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example", "Host: evil.example"} {
			if got := l.ask("PATCH", target, "", header); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %d", target, header, got.StatusCode)
			}
		}
	}
	if root.changes > 0 || m.done != nil || s.calls > 0 {
		t.Errorf("%d changes, %v, %d sweeps", root.changes, m.done, s.calls)
	}
}

// No credential is in any answer, header or line of the log, whatever is asked
// and however it fails.
func TestSecretsStayInside(t *testing.T) {
	l, _, m, s := newPowered(t)
	s.subnets = []pxepilot.SubnetSweep{subnet("10.0.0.0/24", func(s *pxepilot.SubnetSweep) { s.Problem = "not on-link" })}
	seen := 0
	for _, broken := range []bool{false, true} {
		if broken {
			for _, h := range []string{"h1", "h2", "h5"} {
				m.fails[h] = errors.New("session 0xdeadbeef is lost")
			}
		}
		for _, rt := range (&api{}).routes() {
			for _, name := range []string{"h1", "h2", "h3", "h4", "h5", "local", "nobody"} {
				body := ""
				if rt.method == "PUT" {
					body = `{"hosts":[{"name":"h1"},{"name":"h2"},{"name":"h4"},{"name":"h5"}]}`
				}
				if strings.HasSuffix(rt.pattern, "/deploy") {
					body = strings.ReplaceAll(body, `"}`, `","reboot":true}`)
				}
				for _, headers := range [][]string{nil, {"Prefer: return=representation"}} {
					got := l.ask(rt.method, strings.ReplaceAll(rt.pattern, "{name}", name), body, headers...)
					seen++
					if strings.Contains(string(got.body), hush) {
						t.Errorf("%s %s of %s tells: %s", rt.method, rt.pattern, name, got.body)
					}
					for header, values := range got.Header {
						if strings.Contains(strings.Join(values, " "), hush) {
							t.Errorf("%s %s of %s: header %s tells", rt.method, rt.pattern, name, header)
						}
					}
				}
			}
		}
	}
	if strings.Contains(l.log.String(), hush) {
		t.Error("the log tells")
	}
	if seen < 200 || !strings.Contains(l.log.String(), "0xdeadbeef") {
		t.Errorf("%d answers were looked at, or no cause was logged", seen)
	}
}

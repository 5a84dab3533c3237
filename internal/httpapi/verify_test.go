package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// What comes after the links are switched, and before machines are rebooted: what
// is told of it, in which form, and which machines are left alone.
func TestVerifiedDeploys(t *testing.T) {
	const (
		deploy = "/v1/configurations/ubuntu-16.04/deploy"
		behind = "10.0.0.9:69 gives 00:00:00:00:00:01 nothing: pxelinux.cfg/01-00-00-00-00-00-01 is not found there; " +
			"look at the directory that the server serves, whether it is up to date, and at its permissions (with SELinux, at its labels)"
		noServer = "what machines get cannot be verified: no TFTP server is known to ask; set tftp.address in the configuration file, or do without verifying"
		unpushed = "the links were switched, but deploy.after_switch failed, so that nothing was verified or rebooted: rsync ended with 12; mend that and repeat the request"
	)
	fails := func(context.Context) error {
		return pxepilot.Errorf(pxepilot.Unavailable, "rsync ended\nwith 12").Because(errors.New("signal: hush"))
	}
	done := func(host, rebooted, more string) string {
		return `{"name":"` + host + `","configuration":"ubuntu-16.04","rebooted":"` + rebooted + `"` + more + `}`
	}
	quoted := func(s string) string { text, _ := json.Marshal(s); return string(text) }
	const yes = `,"served":"YES"`
	no := `,"served":"NO","unserved":` + quoted(behind)
	for _, tt := range []struct {
		name         string
		target, body string
		prefer       bool
		site         func(*pilot.Site, *memory)
		status       int
		want         string // of the body, its message for an error; empty for none
		driven       []string
	}{
		{"served", deploy, `{"hosts":[{"name":"h1"},{"name":"h2"}],"verify":true}`, false, nil, 200, `{"hosts":[` + done("h1", "NO", yes) + "," + done("h2", "NO", yes) + `]}`, nil},
		{"served and rebooted", deploy, `{"hosts":[{"name":"h1","reboot":true}],"verify":true}`, false, nil, 200, `{"hosts":[` + done("h1", "YES", yes) + `]}`, []string{"h1 next pxe", "h1 on"}},
		{"not looked at", deploy, `{"hosts":[{"name":"h1"}],"verify":false}`, true, func(s *pilot.Site, _ *memory) { s.Verify = true }, 200, `{"hosts":[` + done("h1", "NO", "") + `]}`, nil},
		{"the file says so, quietly", deploy, `{"hosts":[{"name":"h1"}]}`, false, func(s *pilot.Site, _ *memory) { s.Verify = true }, 204, "", nil},
		{"the file says so", deploy, `{"hosts":[{"name":"h1"}]}`, true, func(s *pilot.Site, _ *memory) { s.Verify = true }, 200, `{"hosts":[` + done("h1", "NO", yes) + `]}`, nil},
		{"one is not served", deploy, `{"hosts":[{"name":"h1","reboot":true},{"name":"h2","reboot":true}],"verify":true}`, false, staleOfH1, 200,
			`{"hosts":[` + done("h1", "ERROR", no+`,"problem":"host \"h1\" was not rebooted, for it would not boot what was deployed: `+behind+`"`) + "," + done("h2", "YES", yes) + `]}`,
			[]string{"h2 next pxe", "h2 reset"}},
		{"one is not served, quietly", deploy, `{"hosts":[{"name":"h1"},{"name":"h2"}]}`, false, func(s *pilot.Site, m *memory) { staleOfH1(s, m); s.Verify = true }, 503,
			`the links were switched, but host "h1" would not boot what was deployed: ` + behind, nil},
		{"nobody to ask", deploy, `{"hosts":[{"name":"h1"}],"verify":true}`, false, func(s *pilot.Site, _ *memory) { s.Servers = nil }, 409, noServer, nil},
		{"not pushed", deploy, `{"hosts":[{"name":"h1"}]}`, false, func(s *pilot.Site, _ *memory) { s.AfterSwitch = fails }, 503, unpushed, nil},
		{"not pushed, told", deploy, `{"hosts":[{"name":"h1"}]}`, true, func(s *pilot.Site, _ *memory) { s.AfterSwitch = fails }, 200,
			`{"hosts":[` + done("h1", "NO", "") + `],"problem":` + quoted(unpushed) + `}`, nil},
		{"not pushed, so not rebooted", deploy, `{"hosts":[{"name":"h1","reboot":true}],"verify":true}`, false, func(s *pilot.Site, _ *memory) { s.AfterSwitch = fails }, 200,
			`{"hosts":[` + done("h1", "ERROR", `,"problem":"host \"h1\" was not rebooted, for deploy.after_switch failed"`) + `],"problem":` + quoted(unpushed) + `}`, nil},
		{"not pushed, for a clear", "/v1/clear", `{"hosts":[{"name":"h1"}]}`, false, func(s *pilot.Site, _ *memory) { s.AfterSwitch = fails }, 200,
			`{"hosts":[{"name":"h1","configuration":"","rebooted":"NO"}],"problem":` + quoted(unpushed) + `}`, nil},
		{"not pushed, for a dry run", deploy, `{"hosts":[{"name":"h1"}],"dryRun":true}`, true, func(s *pilot.Site, _ *memory) { s.AfterSwitch = fails }, 200,
			`{"hosts":[` + done("h1", "NO", "") + `],"steps":[{"host":"h1","bootloader":"pxelinux","path":"pxelinux.cfg/01-00-00-00-00-00-01","was":"conf/local","becomes":"conf/ubuntu-16.04"}]}`, nil},
		{"a clear is not verified", "/v1/clear", `{"hosts":[{"name":"h1"}],"verify":true}`, false, nil, 400,
			`line 1, column 26: unknown field "verify"; known here: hosts, dryRun, skipRefused, force`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, root, m, _ := newPowered(t)
			l.site.Explainer, l.site.Files, l.site.Servers = root, root, []pilot.TFTPServer{root}
			if tt.site != nil {
				tt.site(l.site, root)
			}
			headers := []string{}
			if tt.prefer {
				headers = append(headers, "Prefer: return=representation")
			}
			got := l.ask("PUT", tt.target, tt.body, headers...)
			switch {
			case got.StatusCode != tt.status:
				t.Errorf("%d %s", got.StatusCode, got.body)
			case tt.status >= 400:
				if message := got.message(t); message != tt.want {
					t.Errorf("it says %q", message)
				}
			case tt.want == "":
				if len(got.body) > 0 {
					t.Errorf("a body: %s", got.body)
				}
			default:
				sameJSON(t, tt.target, got.body, tt.want)
			}
			if diff := cmp.Diff(tt.driven, m.done); diff != "" {
				t.Errorf("driven:\n%s", diff)
			}
			if strings.Contains(string(got.body), "hush") {
				t.Errorf("a cause left the server: %s", got.body)
			}
			if logged := l.log.String(); strings.Contains(tt.want, "after_switch failed") && strings.Count(logged, "deploy.after_switch failed") != 1 {
				t.Errorf("not once in the log: %s", logged)
			}
		})
	}
}

// staleOfH1 adds a second TFTP server, which has all but the link of h1.
func staleOfH1(s *pilot.Site, m *memory) {
	s.Servers = append(s.Servers, &stale{files: map[string]string{"pxelinux.cfg/01-00-00-00-00-00-02": m.variants["ubuntu-16.04"][0].Content}})
}

// However long it takes to push a switch to all replicas, the answer comes.
func TestLongAfterSwitch(t *testing.T) {
	for _, target := range []string{"/v1/configurations/local/deploy", "/v1/clear"} {
		synctest.Test(t, func(t *testing.T) {
			l, _, _, _ := newPowered(t)
			l.site.AfterSwitch = func(ctx context.Context) error {
				<-ctx.Done()
				return pxepilot.Errorf(pxepilot.Unavailable, "rsync took too long")
			}
			req, err := http.NewRequest("PUT", "http://localhost"+target, strings.NewReader(`{"hosts":[{"name":"h1"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			res, err := l.servePipes(t, false).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || !strings.Contains(string(body), "rsync took too long") {
				t.Errorf("%s: %d %s, %v", target, res.StatusCode, body, err)
			}
			if took := time.Since(began); took != 5*time.Minute {
				t.Errorf("%s: it took %s", target, took)
			}
		})
	}
}

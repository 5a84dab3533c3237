package httpapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestChanges(t *testing.T) {
	const deploy = "/v1/configurations/ubuntu-16.04/deploy"
	const json = "Content-Type: application/json"
	const represent = "Prefer: return=representation"
	outcome := func(hosts string) string { return `{"hosts":[` + hosts + `]}` }
	const done = `{"name":"h1","configuration":"ubuntu-16.04","rebooted":"NO"}`
	step := func(host, mac, was, becomes string) string {
		s := `{"host":"` + host + `","bootloader":"pxelinux","path":"pxelinux.cfg/01-00-00-00-00-00-` + mac + `"`
		if was != "" {
			s += `,"was":"` + was + `"`
		}
		if becomes != "" {
			s += `,"becomes":"` + becomes + `"`
		}
		return s + "}"
	}
	for _, tt := range []struct {
		name, target, body string
		headers            []string
		status             int
		want               string // empty: no body
		links              map[string]string
	}{
		{"by name", deploy, `{"hosts":[{"name":"h1"}]}`, []string{json}, 204, "", map[string]string{"h1": "ubuntu-16.04"}},
		{"curl without a header", deploy, `{"hosts":[{"name":"h1"}]}`, []string{"Content-Type: application/x-www-form-urlencoded"}, 204, "", map[string]string{"h1": "ubuntu-16.04"}},
		{"no Content-Type", deploy, `{"hosts":[{"name":"h1"}]}`, nil, 204, "", map[string]string{"h1": "ubuntu-16.04"}},
		{"by mac_address", deploy, `{"hosts":[{"mac_address":"00-00-00-00-00-33"}]}`, []string{json}, 204, "", map[string]string{"h3": "ubuntu-16.04"}},
		{"by macAddress", deploy, `{"hosts":[{"macAddress":"000000000033"}]}`, []string{json}, 204, "", map[string]string{"h3": "ubuntu-16.04"}},
		{"by both spellings of one", deploy, `{"hosts":[{"macAddress":"000000000033","mac_address":"00:00:00:00:00:33"}]}`, []string{json}, 204, "", map[string]string{"h3": "ubuntu-16.04"}},
		{"by name and MAC that agree", deploy, `{"hosts":[{"name":"h3","mac_address":"00:00:00:00:00:33"}]}`, []string{json}, 204, "", map[string]string{"h3": "ubuntu-16.04"}},
		{"by a MAC as name", deploy, `{"hosts":[{"name":"00:00:00:00:00:33"}]}`, []string{json}, 204, "", map[string]string{"h3": "ubuntu-16.04"}},
		{"escapes and white space", deploy, "\n{ \"h\\u006fsts\" : [ { \"name\" : \"\\u0068\\u0031\" } ] , \"dryRun\" : false }\n", []string{json}, 204, "", map[string]string{"h1": "ubuntu-16.04"}},
		{"in the order asked", deploy, `{"hosts":[{"name":"h3"},{"name":"h1"}]}`, []string{represent}, 200,
			outcome(`{"name":"h3","configuration":"ubuntu-16.04","rebooted":"NO"},` + done), map[string]string{"h1": "ubuntu-16.04", "h3": "ubuntu-16.04"}},
		{"preference among others", deploy, `{"hosts":[{"name":"h1"}]}`, []string{`Prefer: respond-async, Return="representation"; x=1`}, 200, outcome(done), map[string]string{"h1": "ubuntu-16.04"}},
		{"preference on another line", deploy, `{"hosts":[{"name":"h1"}]}`, []string{"Prefer: wait=5", represent}, 200, outcome(done), map[string]string{"h1": "ubuntu-16.04"}},
		{"another preference", deploy, `{"hosts":[{"name":"h1"}]}`, []string{"Prefer: return=minimal, return=representation"}, 204, "", map[string]string{"h1": "ubuntu-16.04"}},
		{"dry run", deploy, `{"hosts":[{"name":"h3"}],"dryRun":true}`, nil, 200,
			`{"hosts":[{"name":"h3","configuration":"ubuntu-16.04","rebooted":"NO"}],"steps":[` +
				step("h3", "03", "conf/local", "conf/ubuntu-16.04") + "," + step("h3", "33", "01-00-00-00-00-00-03", "01-00-00-00-00-00-03") + `]}`, nil},
		{"skip refused", deploy, `{"hosts":[{"name":"h2"},{"name":"h1"}],"skipRefused":true}`, nil, 200,
			outcome(`{"name":"h2","configuration":"","rebooted":"NO","refused":"host \"h2\": pxelinux.cfg/01-00-00-00-00-00-02 is not a link but somebody else's file; move it away, or have it kept beside with --force"},` + done),
			map[string]string{"h1": "ubuntu-16.04"}},
		{"force", deploy, `{"hosts":[{"name":"h2"}],"force":true,"dropUncovered":true}`, nil, 204, "", map[string]string{"h2": "ubuntu-16.04"}},
		{"clear", "/v1/clear", `{"hosts":[{"name":"h3"}]}`, nil, 200, outcome(`{"name":"h3","configuration":"","rebooted":"NO"}`), map[string]string{"h3": ""}},
		{"clear, dry", "/v1/clear", `{"hosts":[{"name":"h1"},{"name":"h3"}],"dryRun":true}`, nil, 200,
			`{"hosts":[{"name":"h1","configuration":"","rebooted":"NO"},{"name":"h3","configuration":"","rebooted":"NO"}],"steps":[` +
				step("h1", "01", "", "") + "," + step("h3", "03", "conf/local", "") + "," + step("h3", "33", "01-00-00-00-00-00-03", "") + `]}`, nil},
		{"repair", "/v1/repair", `{"hosts":[{"name":"h3"}]}`, nil, 200, outcome(`{"name":"h3","configuration":"local","rebooted":"NO"}`), nil},
		{"repair what can be", "/v1/repair", `{"all":true,"skipRefused":true}`, nil, 200,
			outcome(`{"name":"h1","configuration":"","rebooted":"NO"},
				{"name":"h2","configuration":"","rebooted":"NO","refused":"host \"h2\": pxelinux.cfg/01-00-00-00-00-00-02 is unmanaged, so that nothing tells what it should boot; deploy a configuration to it"},
				{"name":"h3","configuration":"local","rebooted":"NO"}`), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, root := newSeed(t)
			root.state = map[string]pxepilot.State{"h2": pxepilot.Unmanaged}
			want := map[string]string{"h2": "ubuntu-16.04", "h3": "local"}
			for h, c := range tt.links {
				want[h] = c
			}
			got := l.ask("PUT", tt.target, tt.body, tt.headers...)
			if got.StatusCode != tt.status {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if tt.want == "" && len(got.body) > 0 {
				t.Errorf("a body: %q", got.body)
			}
			if tt.want != "" {
				sameJSON(t, tt.target, got.body, tt.want)
			}
			if diff := cmp.Diff(want, root.links); diff != "" {
				t.Errorf("links:\n%s", diff)
			}
			preferred := len(tt.headers) > 0 && tt.status == 200
			if applied := got.Header.Get("Preference-Applied"); (applied == "return=representation") != preferred {
				t.Errorf("Preference-Applied: %q", applied)
			}
		})
	}
}

func TestListAfterDeploy(t *testing.T) {
	l, _ := newSeed(t)
	before := l.ask("GET", "/v1/hosts", "").body
	if got := l.ask("PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1"}]}`); got.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	after := l.ask("GET", "/v1/hosts", "").body
	if string(before) == string(after) {
		t.Error("the list is the old one")
	}
	sameJSON(t, "hosts", after, `[{"name":"h1","macAddresses":["00:00:00:00:00:01"],"configuration":{"name":"local"},"state":"configured","canonical":true,
		"links":[{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:01","path":"pxelinux.cfg/01-00-00-00-00-00-01",
			"target":"conf/local","state":"configured","configuration":"local"}]},`+h2+","+h3+"]")
}

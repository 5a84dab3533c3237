package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestSettings(t *testing.T) {
	got, err := Load(write(t, "c.yml", `
hosts: []
tftp: {root: /srv/tftp}
configuration:
  directory: /srv/tftp/configurations
  settings:
    firmware: &two {then: ubuntu, within: 2h}
    ubuntu: {then: local, within: 2d}
    debian: {<<: *two, within: 45m}
    012: {then: yes}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]pxepilot.Rule{
		"firmware": {Then: "ubuntu", Within: 2 * time.Hour}, "ubuntu": {Then: "local", Within: 48 * time.Hour},
		"debian": {Then: "ubuntu", Within: 45 * time.Minute}, "012": {Then: "yes"},
	}
	if d := cmp.Diff(want, got.Configuration.Settings); d != "" {
		t.Error(d)
	}
}

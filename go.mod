module github.com/pxe-pilot/pxe-pilot

go 1.26.8

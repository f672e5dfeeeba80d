// Command infra lists the stacks of this repository.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	stacks, err := filepath.Glob("stacks/*/main.tf")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, stack := range stacks {
		fmt.Println(filepath.Base(filepath.Dir(stack)))
	}
}

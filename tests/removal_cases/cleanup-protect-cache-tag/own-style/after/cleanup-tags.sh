#!/usr/bin/env python3
# räumt auf 🧹
"""Keep the newest tags."""

import os
import shutil
import sys


KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else '/opt/registry/data'


def clean(tags_dir, keep):
	tags = sorted(os.listdir(tags_dir), key=lambda tag: os.path.getmtime(os.path.join(tags_dir, tag)), reverse=True)
	for tag in tags[keep:]:
		path = os.path.join(tags_dir, tag)
		try:
			shutil.rmtree(path)
		except OSError as error:
			print('failed', path, error)


def main():
	for registry in os.listdir(BASE):
		root = os.path.join(BASE, registry, 'docker', 'registry', 'v2', 'repositories')
		for directory, names, _ in os.walk(root):
			if '_manifests' in names:
				clean(os.path.join(directory, '_manifests', 'tags'), KEEP)


if __name__ == '__main__':
	main()
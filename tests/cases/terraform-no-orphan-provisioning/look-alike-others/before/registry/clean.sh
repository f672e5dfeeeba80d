#!/bin/sh
rm -rf /opt/registry/data/old/*

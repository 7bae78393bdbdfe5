import type { Component } from 'svelte';
import type { IconName } from '../components/icons';

/** A page of the dashboard, loaded when it is first opened. */
export interface PageEntry {
  /** The first part of its path. */
  name: string;
  title: string;
  icon: IconName;
  load: () => Promise<{ default: Component }>;
}

export const PAGES: readonly PageEntry[] = [
  { name: 'live', title: 'Live', icon: 'live', load: () => import('./Live.svelte') },
  {
    name: 'benchmarks',
    title: 'Benchmarks',
    icon: 'benchmarks',
    load: () => import('./Benchmarks.svelte'),
  },
  { name: 'compare', title: 'Compare', icon: 'compare', load: () => import('./Compare.svelte') },
  { name: 'regions', title: 'Regions', icon: 'regions', load: () => import('./Regions.svelte') },
  { name: 'history', title: 'History', icon: 'history', load: () => import('./History.svelte') },
  { name: 'alerts', title: 'Alerts', icon: 'alerts', load: () => import('./Alerts.svelte') },
];

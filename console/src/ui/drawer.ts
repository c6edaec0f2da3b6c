import { createContext, useContext } from 'react';

/** The sidebar on a narrow screen: a drawer that is open or not. */
export interface Drawer {
  open: boolean;
  setOpen(open: boolean): void;
}

export const DrawerContext = createContext<Drawer>({ open: false, setOpen: () => {} });
export const useDrawer = (): Drawer => useContext(DrawerContext);

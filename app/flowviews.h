// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FlowViews: connects the pages of what flows through the network - activations and the KV cache - with the run
// controller and the policy: what is asked for, and what an edit means. GUI thread.
#pragma once

#include "app/lookcontroller.h"
#include "app/runcontroller.h"

#include <QElapsedTimer>
#include <QObject>

namespace ql {

class ActivationsPage;
class KvPage;
class LayersPanel;

class FlowViews : public QObject
{
    Q_OBJECT
public:
    struct Views {
        ActivationsPage* activations;
        KvPage* cache;
        LayersPanel* table;
    };
    FlowViews(Session* session, RunController* run, LookController* look, const Views& views, QObject* parent);

    void setActivationsVisible(bool visible); ///< studied only while they are seen
    /// The scheme of the page becomes that of every input; entries of their own go.
    void useActivationsEverywhere();
    /// The input of the current tensor follows rules and default again.
    void resetActivation();

Q_SIGNALS:
    void calibratePanelWanted();
    void importWanted();

private:
    void connectActivations();
    void connectCache();
    void showCacheSubject();
    void showCacheSchemes();
    void editCache(int layer, const std::optional<KvScheme>& scheme);
    void studyCache();
    void show(int tensor);
    void showState();
    void ask();
    void editActivation(const std::optional<ActivationScheme>& scheme, bool finished);
    std::vector<std::string> sharers() const; ///< weights that the current tensor's input enters

    Session* m_session;
    RunController* m_run;
    LookController* m_look;
    ActivationsPage* m_activations;
    KvPage* m_cache;
    LayersPanel* m_table;
    int m_tensor = -1;
    std::vector<std::optional<KvScheme>> m_cacheSchemes; ///< as the page shows them
    QElapsedTimer m_studyClock;
    bool m_quickStudies = false; ///< the last one took so little that edits may bring another
    bool m_activationsVisible = false;
};

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FlowViews: connects the pages of what flows through the network - activations and the KV cache - with the run
// controller and the policy: what is asked for, and what an edit means. GUI thread.
#pragma once

#include "app/lookcontroller.h"
#include "app/runcontroller.h"

#include <QObject>

namespace ql {

class ActivationsPage;
class KvPage;

class FlowViews : public QObject
{
    Q_OBJECT
public:
    FlowViews(Session* session, RunController* run, LookController* look, ActivationsPage* activations, QObject* parent);

    void setActivationsVisible(bool visible); ///< studied only while they are seen
    /// The scheme of the page becomes that of every input; entries of their own go.
    void useActivationsEverywhere();
    /// The input of the current tensor follows rules and default again.
    void resetActivation();

Q_SIGNALS:
    void calibratePanelWanted();
    void importWanted();

private:
    void show(int tensor);
    void showState();
    void ask();
    void editActivation(const std::optional<ActivationScheme>& scheme, bool finished);
    std::vector<std::string> sharers() const; ///< weights that the current tensor's input enters

    Session* m_session;
    RunController* m_run;
    LookController* m_look;
    ActivationsPage* m_activations;
    int m_tensor = -1;
    bool m_activationsVisible = false;
};

} // namespace ql
